/** Fuzzes every response path of both pods, with responses of bots and of other servers at a gateway pod's address. */
import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { signPlainRequest } from '../../src/link/auth.ts';
import { type GatewayPod, startGatewayPod } from '../support/gateway-pod.ts';
import { type HttpUnderTest, startHttp } from '../support/http-service.ts';
import { until } from '../support/wait.ts';
import { type FuzzOptions, type FuzzReport, type FuzzTarget, feed } from './driver.ts';
import { type Kept, KeptConnection } from './kept-connection.ts';
import {
  type BotAnswer,
  bodyOf,
  botAnswers,
  responseOf,
  type ServerAnswer,
  serverAnswers,
  tokensIn,
  wireOf,
} from './response-model.ts';
import { only } from './wire.ts';

/** The same as that of the pods in test/support/gateway-pod.ts. */
const SECRET = 'a secret of the test cluster';
const ONE_GUILD = '102860784329052160';
const ANOTHER = '81384788765712384';

/**
 * The paths of a response to its client:
 * - `fast`: over the link and through the HTTP pod's fast path
 * - `node`: over the link and through Node's server
 * - `stream`: over plain HTTP, streamed
 * - `gateway`: from the gateway pod itself over plain HTTP
 */
const WAYS = ['fast', 'node', 'stream', 'gateway'] as const;
type Way = (typeof WAYS)[number];

const fromBots = fc.record({
  answer: botAnswers,
  way: fc.constantFrom(...WAYS),
  method: fc.constantFrom('GET', 'GET', 'HEAD'),
});
const fromServers = fc.record({
  answer: serverAnswers,
  accept: fc.constantFrom('text/html', 'text/event-stream'),
  method: fc.constantFrom('GET', 'GET', 'HEAD'),
});

export class ResponseFuzz implements FuzzTarget {
  readonly name = 'responses';
  readonly #pod: GatewayPod;
  readonly #http: HttpUnderTest;
  readonly #plainHttp: HttpUnderTest;
  readonly #answers: Map<string, BotAnswer | ServerAnswer>;
  readonly #resources: AsyncDisposableStack;
  readonly #counts = { whole: 0, cut: 0, failed: 0 };
  #lastToken = 0;

  static async start(): Promise<ResponseFuzz> {
    await using started = new AsyncDisposableStack();
    const answers = new Map<string, BotAnswer | ServerAnswer>();
    // A single failure opens the breaker, so a bot's response that counts against the pod is detected at once.
    const env = { BREAKER_FAILURES: '1', RETRY_BASE_MS: '1' };
    const http = started.use(await startHttp({ gatewayPods: 1, env: { ...env, LINK_SECRET: SECRET } }));
    const pod = started.use(
      await startGatewayPod({ env: { PORT: String(http.gatewayPorts[0]) }, bot: { fetch: botOf(answers) } }),
    );
    // Responses of another server may count against it.
    const plainHttp = started.use(
      await startHttp({ gatewayPods: 1, env: { ...env, BREAKER_FAILURES: '1000', REQUEST_TIMEOUT_MS: '300' } }),
    );
    const server = await startServer(plainHttp.gatewayPorts[0] as number, answers);
    started.defer(() => server[Symbol.asyncDispose]());
    await until('the link', () => http.service.readiness().reasons.length === 0);
    return new ResponseFuzz(pod, http, plainHttp, answers, started.move());
  }

  private constructor(
    pod: GatewayPod,
    http: HttpUnderTest,
    plainHttp: HttpUnderTest,
    answers: Map<string, BotAnswer | ServerAnswer>,
    resources: AsyncDisposableStack,
  ) {
    this.#pod = pod;
    this.#http = http;
    this.#plainHttp = plainHttp;
    this.#answers = answers;
    this.#resources = resources;
  }

  async run(options: FuzzOptions): Promise<FuzzReport> {
    const half = { ...options, runs: Math.ceil(options.runs / 2), seconds: options.seconds / 2 };
    let inputs = 0;
    {
      using edge = new Clients(this.#http.port);
      using gateway = new Clients(Number(new URL(this.#pod.url).port));
      inputs += await feed(
        fromBots,
        (input) => {
          const clients = input.way === 'gateway' ? gateway : edge;
          return clients.renewedOnFailure(this.#checkBot(input, clients));
        },
        half,
      );
    }
    using clients = new Clients(this.#plainHttp.port);
    inputs += await feed(fromServers, (input) => clients.renewedOnFailure(this.#checkServer(input, clients)), half);
    return { inputs, seen: { ...this.#counts } };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }

  async #checkBot(
    { answer, way, method }: { answer: BotAnswer; way: Way; method: string },
    clients: Clients,
  ): Promise<void> {
    const accept = way === 'stream' ? 'text/event-stream' : 'text/html';
    const token = this.#expect(answer);
    const got = await clients.one.ask(method, requestOf(way, method, ONE_GUILD, token, accept));
    this.#judge(got, answer, token);
    if (got.response !== null && isServed(answer, way)) {
      assert.equal(only(got.response, 'x-t'), token, `${got.response.status} instead of the bot's answer`);
      assert.equal(got.response.body, hasBody(answer, method) ? bodyOf(answer, token) : '');
    }
    if (isServed(answer, way)) assert.notEqual(got.response, null, 'an answer in order was cut off');
    await this.#checkOthers(clients, way, accept);
    assert.match(
      await this.#http.registry.metrics(),
      /^guildway_breaker_state\{pod="0"\} 0$/m,
      "the pod is blamed for its bot's answer",
    );
  }

  async #checkServer(
    { answer, accept, method }: { answer: ServerAnswer; accept: string; method: string },
    clients: Clients,
  ): Promise<void> {
    const token = this.#expect(answer);
    this.#judge(await clients.one.ask(method, requestOf('stream', method, ONE_GUILD, token, accept)), answer, token);
    await this.#checkOthers(clients, 'stream', accept);
  }

  #expect(answer: BotAnswer | ServerAnswer): string {
    const token = `k${++this.#lastToken}`;
    // Earlier ones may still be retried.
    this.#answers.delete(`k${this.#lastToken - 50}`);
    this.#answers.set(token, answer);
    return token;
  }

  /** A client gets bytes of its own response only, from its start, and can tell whether the response is complete. */
  #judge({ response, text }: Kept, answer: BotAnswer | ServerAnswer, token: string): void {
    for (const other of tokensIn(text)) assert.equal(other, token, 'bytes of another answer');
    if (response === null) {
      this.#counts.cut++;
      return;
    }
    assert.ok(response.status <= 599, `status ${response.status}`);
    const own = only(response, 'x-t');
    if (own === undefined) {
      this.#counts.failed++;
      assert.ok(response.status >= 400, `${response.status} in place of an answer`);
      return;
    }
    this.#counts.whole++;
    assert.equal(own, token, 'the answer to another request');
    const odd = only(response, 'x-odd');
    if (odd !== undefined && 'body' in answer && answer.strange === null)
      assert.equal(odd, 'caf\xe9', 'other bytes of a field');
    for (const [name] of response.headers) {
      assert.ok(!/^guildway-(?!pod$|http-pod$|request-id$)/.test(name), `${name} reached the client`);
    }
    // A server without length and coding may end where it likes.
    assert.ok(
      bodyOf(answer, token).startsWith(response.body) || 'coding' in answer,
      'another body than the answer has',
    );
  }

  /** On the same connection and on another one, the next response belongs to the next request. */
  async #checkOthers(clients: Clients, way: Way, accept: string): Promise<void> {
    for (const client of [clients.one, clients.other]) {
      const token = `k${++this.#lastToken}`;
      const { response, text } = await client.ask('GET', requestOf(way, 'GET', ANOTHER, token, accept));
      assert.notEqual(response, null, `no answer to the next request: ${JSON.stringify(text)}`);
      const { status, body } = response as NonNullable<typeof response>;
      assert.deepEqual({ status, body }, { status: 200, body: `mine <${token}>` }, 'the next request');
      assert.deepEqual(tokensIn(text), [token]);
      assert.ok(!text.includes('smuggled'), 'another response’s cookie');
    }
  }
}

class Clients implements Disposable {
  readonly one: KeptConnection;
  readonly other: KeptConnection;

  constructor(port: number) {
    this.one = new KeptConnection(port);
    this.other = new KeptConnection(port);
  }

  /** Bytes that a failure left on a connection must not count against the next input. */
  async renewedOnFailure(check: Promise<void>): Promise<void> {
    try {
      await check;
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.one[Symbol.dispose]();
    this.other[Symbol.dispose]();
  }
}

/** The packets of a request. */
function requestOf(way: Way, method: string, guild: string, token: string, accept: string): readonly string[] {
  const target = `/app/${guild}/x?t=${token}`;
  const proof = way === 'gateway' ? `guildway-auth: ${signPlainRequest(SECRET, 0, method, target)}\r\n` : '';
  const head = `${method} ${target} HTTP/1.1\r\nhost: bot.example\r\naccept: ${accept}\r\n${proof}\r\n`;
  // The fast path serves requests that arrive whole.
  return way === 'node' ? [head.slice(0, 20), head.slice(20)] : [head];
}

const hasBody = ({ status }: BotAnswer, method: string): boolean => method !== 'HEAD' && ![204, 304].includes(status);

/** Whether a response is valid on its path, so that the client must get all of it. */
function isServed({ status, strange, large, length, fields, body }: BotAnswer, way: Way): boolean {
  if (strange !== null || status < 200 || status > 599 || large !== null) return false;
  if (body !== 'stream' && body !== 'whole' && body !== 'none') return false;
  // `Response` does not allow a body with these.
  if ([204, 205, 304].includes(status) && body !== 'none') return false;
  if (way === 'fast' || way === 'node' || fields.some(([name]) => name === 'content-encoding')) return true;
  return !['short', 'long', 'zero'].includes(length);
}

function botOf(answers: ReadonlyMap<string, BotAnswer | ServerAnswer>) {
  return async (request: Request): Promise<Response> => {
    const token = new URL(request.url).searchParams.get('t') as string;
    const answer = answers.get(token) as BotAnswer | undefined;
    return answer === undefined ? new Response(`mine <${token}>`) : responseOf(answer, token);
  };
}

/** Another server at a gateway pod's port. */
async function startServer(
  port: number,
  answers: ReadonlyMap<string, BotAnswer | ServerAnswer>,
): Promise<Server & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    let text = '';
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        const token = /[?&]t=(k\d+)/.exec(head)?.[1] ?? '';
        const answer = answers.get(token) as ServerAnswer | undefined;
        const mine = `mine <${token}>`;
        if (answer === undefined)
          socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${mine.length}\r\n\r\n${mine}`, 'latin1');
        else send(socket, answer, token);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return Object.assign(server, {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

function send(socket: Socket, answer: ServerAnswer, token: string): void {
  const { parts, end } = wireOf(answer, token);
  for (const part of parts) socket.write(part, 'latin1');
  // A response without a length, or with one that is too large, lasts as long as the server keeps the connection.
  if (end === 'resets') socket.resetAndDestroy();
  else if (end === 'ends') socket.end();
  else setTimeout(() => socket.end(), 50);
}
