/** Fuzzes both request paths of an HTTP pod, the fast path and Node's server, with arbitrary client bytes. The pods behind it are real. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { type GatewayPod, startGatewayPod } from '../support/gateway-pod.ts';
import { type HttpUnderTest, signedHeaders, startHttp } from '../support/http-service.ts';
import { until } from '../support/wait.ts';
import { type FuzzOptions, type FuzzReport, type FuzzTarget, feed } from './driver.ts';
import { type SignedEvent, signedEvents } from './event-model.ts';
import {
  type ConnectionInput,
  connections,
  decode,
  GUILD,
  readingsOf,
  type SentRequest,
  write,
} from './request-model.ts';
import { type Exchanged, exchange, only, type WireResponse } from './wire.ts';

/** The same as that of the pods in test/support/gateway-pod.ts. */
const SECRET = 'a secret of the test cluster';
const STRIPE_SECRET = 'whsec_of_this_test';
const SAFE = ['GET', 'HEAD', 'OPTIONS'];

/** A request as the bot received it. */
interface Seen {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: string;
  readonly guildId: string | null;
  /** The bot's response. */
  readonly status: number;
}

export class RequestFuzz implements FuzzTarget {
  readonly name = 'requests';
  readonly #http: HttpUnderTest;
  readonly #pod: GatewayPod;
  readonly #seen: Map<string, Seen[]>;
  readonly #problems: string[];
  readonly #counts = { connections: 0, requests: 0, served: 0, refused: 0, unanswered: 0, events: 0 };

  static async start(): Promise<RequestFuzz> {
    const seen = new Map<string, Seen[]>();
    const problems: string[] = [];
    const http = await startHttp({
      gatewayPods: 1,
      env: {
        LINK_SECRET: SECRET,
        STRIPE_WEBHOOK_SECRET: STRIPE_SECRET,
        RETRY_BASE_MS: '1',
        BREAKER_FAILURES: '3',
        TRUSTED_PROXIES: 'none',
      },
    });
    const pod = await startGatewayPod({
      env: { PORT: String(http.gatewayPorts[0]) },
      bot: { fetch: botOf(seen, problems) },
    });
    await until('the link', () => http.service.readiness().reasons.length === 0);
    return new RequestFuzz(http, pod, seen, problems);
  }

  private constructor(http: HttpUnderTest, pod: GatewayPod, seen: Map<string, Seen[]>, problems: string[]) {
    this.#http = http;
    this.#pod = pod;
    this.#seen = seen;
    this.#problems = problems;
  }

  async run(options: FuzzOptions): Promise<FuzzReport> {
    const { runs, seconds } = options;
    // A path belongs to one of the two kinds of inputs. It is tried on both and matches only one.
    const ofConnections = await feed(connections, (connection) => this.#check(connection), {
      ...options,
      seconds: seconds * 0.8,
    });
    const ofEvents = await feed(signedEvents, (event) => this.#checkEvent(event), {
      ...{ seed: options.seed, runs: Math.ceil(runs / 4), seconds: seconds * 0.2 },
    });
    await this.#checkPods();
    return { inputs: ofConnections + ofEvents, seen: { ...this.#counts } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http[Symbol.asyncDispose]();
    await this.#pod[Symbol.asyncDispose]();
  }

  async #check({ requests, cuts }: ConnectionInput): Promise<void> {
    const name = `c${++this.#counts.connections}`;
    const sent = requests.map((request, i) => write(request, `${name}.${i}`));
    this.#counts.requests += sent.length;
    const bytes = sent.map((request) => request.bytes).join('');
    const at = [...new Set(cuts.map((cut) => cut % bytes.length))].filter((cut) => cut > 0).toSorted((a, b) => a - b);
    const packets = [0, ...at].map((start, i) => bytes.slice(start, at[i]));
    const ends = sent.some(({ broken }) => broken);
    const exchanged = await exchange(
      this.#http.port,
      packets,
      sent.map(({ method }) => method),
      ends,
    );
    try {
      this.#judge(sent, exchanged, ends);
      assert.deepEqual(this.#problems, []);
    } catch (error) {
      this.#problems.length = 0;
      const story = { packets, responses: exchanged.responses, rest: exchanged.rest };
      throw new Error(`${(error as Error).message}\n${JSON.stringify(story, null, 1)}`);
    } finally {
      for (const { token } of sent) this.#seen.delete(token);
    }
  }

  /** Signed events get a response or are rejected for their form. No sender gets a 5xx. */
  async #checkEvent({ kind, payload }: SignedEvent): Promise<void> {
    this.#counts.events++;
    const body = JSON.stringify(payload);
    const headers = kind === 'stripe' ? { 'stripe-signature': signStripe(body) } : signedHeaders(body);
    const response = await fetch(`${this.#http.url}/webhooks/${kind}`, { method: 'POST', headers, body });
    const text = await response.text();
    const allowed = kind === 'discord' ? [200, 400] : [200, 204];
    assert.ok(allowed.includes(response.status), `${response.status} ${text} for ${kind} ${body}`);
    this.#seen.clear();
  }

  #judge(sent: readonly SentRequest[], { responses, rest }: Exchanged, ends: boolean): void {
    const finals = responses.filter(({ status }) => status >= 200);
    assert.equal(rest, '', 'bytes behind the last response');
    assert.ok(finals.length <= sent.length, `${finals.length} responses to ${sent.length} requests`);
    for (const [i, response] of finals.entries()) {
      const request = sent[i] as SentRequest;
      this.#judgeAnswered(request, response);
      if (response.last) assert.equal(finals.length, i + 1, 'a response behind one that closes the connection');
    }
    const unanswered = sent.slice(finals.length);
    this.#counts.unanswered += unanswered.length;
    const [next] = unanswered;
    if (next !== undefined && finals.at(-1)?.last !== true && !ends) {
      assert.notEqual(
        next.expectation,
        'must',
        `no response to ${next.token}, and nothing says that there will be none`,
      );
    }
    for (const request of unanswered) {
      if (!ends)
        assert.equal(this.#seen.has(request.token), false, `${request.token} was carried out and not answered`);
    }
    for (const request of sent) this.#judgeSeen(request);
    assert.equal(this.#seen.has('smuggled'), false, 'a request was read out of another one');
  }

  #judgeAnswered(request: SentRequest, response: WireResponse): void {
    const token = only(response, 'x-t');
    if (token === undefined) {
      this.#counts.refused++;
      assert.notEqual(
        request.expectation,
        'must',
        `the bot did not answer ${request.token}, but ${response.status} came`,
      );
      if (!request.cut)
        assert.equal(this.#seen.has(request.token), false, `the bot saw ${request.token}, but its answer did not come`);
      assert.ok(
        response.status < 500 || [501, 505].includes(response.status),
        `${response.status} for a client's mistake`,
      );
      return;
    }
    this.#counts.served++;
    assert.equal(token, request.token, 'the answer to another request');
    assert.equal(response.status, this.#seen.get(token)?.[0]?.status, `the bot's status of ${token}`);
  }

  /** The bot received the request as it was sent. */
  #judgeSeen(request: SentRequest): void {
    const all = this.#seen.get(request.token) ?? [];
    if (all.length === 0) return;
    const { token } = request;
    assert.equal(all.length, 1, `${token} was carried out ${all.length} times`);
    assert.notEqual(request.expectation, 'never', `the bot saw ${token}`);
    const [seen] = all as [Seen];
    assert.equal(seen.method, request.method, `the method of ${token}`);
    assert.equal(seen.body, request.body, `the body of ${token}`);
    assert.equal(seen.url.searchParams.get('t'), token, `the query of ${token}`);
    const readings = readingsOf(seen.url.pathname);
    assert.ok(
      [...readings].some((path) => readingsOf(request.path).has(path)),
      `${token}: the bot saw ${seen.url.pathname}`,
    );
    for (const path of [seen.url.pathname, decode(seen.url.pathname)]) {
      const guild = /^\/(?:app|api\/guilds)\/(\d+)(?:\/|$)/.exec(path)?.[1];
      if (guild !== undefined)
        assert.equal(guild, seen.guildId, `${token}: ${seen.url.pathname} is about another guild`);
    }
    for (const name of request.absent) assert.equal(seen.headers.get(name), null, `${token}: ${name} reached the bot`);
    for (const [name, value] of request.present) assert.equal(seen.headers.get(name), value, `${token}: ${name}`);
    assert.notEqual(seen.url.host, 'evil.example', 'a host that a proxy did not say');
  }

  /** No input counts against a pod, and no pod stores one. */
  async #checkPods(): Promise<void> {
    const metrics = await this.#http.registry.metrics();
    assert.match(metrics, /^guildway_breaker_state\{pod="0"\} 0$/m);
    const state = JSON.parse((await this.#pod.ask('GET', '/_guildway/state')).text) as { hints: { count: number } };
    assert.equal(state.hints.count, 0, 'a request was kept for later that can be answered now');
    const response = await fetch(`${this.#http.url}/app/${GUILD}/x`, { headers: { 'x-t': 'last' } });
    assert.deepEqual([response.status, response.headers.get('x-t')], [200, 'last']);
    this.#seen.delete('last');
  }
}

function signStripe(body: string): string {
  const at = Math.floor(Date.now() / 1_000);
  return `t=${at},v1=${createHmac('sha256', STRIPE_SECRET).update(`${at}.${body}`).digest('hex')}`;
}

/** A bot that records its requests and responds with the token of the request. */
function botOf(seen: Map<string, Seen[]>, problems: string[]) {
  const writing = new Set<string>();
  return async (request: Request, context: { readonly guildId: string | null }): Promise<Response> => {
    const url = new URL(request.url);
    const token = request.headers.get('x-t') ?? `without a token: ${request.url}`;
    const connection = token.split('.', 1)[0] as string;
    const writes = !SAFE.includes(request.method);
    if (writing.has(connection)) problems.push(`${token} ran beside an earlier write of its connection`);
    if (writes) writing.add(connection);
    const body = Buffer.from(await request.arrayBuffer()).toString('latin1');
    // Long enough for the next request to arrive if it is accepted.
    for (let turn = 0; writes && turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    writing.delete(connection);
    const status = Number(/\/status\/(\d{3})$/.exec(url.pathname)?.[1] ?? 200);
    const all = seen.get(token) ?? [];
    all.push({ method: request.method, url, headers: request.headers, body, guildId: context.guildId, status });
    seen.set(token, all);
    return new Response(`seen: ${body}`, { status, headers: { 'x-t': token } });
  };
}
