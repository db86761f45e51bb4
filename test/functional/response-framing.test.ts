// The pods decide where a response ends, never the bot.
import assert from 'node:assert/strict';
import { Agent, request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type GatewayPod, startGatewayPod } from '../support/gateway-pod.ts';
import { type HttpUnderTest, startHttp } from '../support/http-service.ts';

const [ATTACKER, VICTIM] = ['102860784329052160', '81384788765712384'] as const;
const SECRET = 'a secret of the test cluster';
const PAGE = `<title>of the first client</title>${'x'.repeat(20_000)}`;
const SMUGGLED = 'HTTP/1.1 200 OK\r\ncontent-length: 8\r\nset-cookie: smuggled=1\r\n\r\nsmuggled';

const encoder = new TextEncoder();
const chunks = (...texts: string[]): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start(controller) {
      for (const text of texts) controller.enqueue(encoder.encode(text));
      controller.close();
    },
  });

/** The bot's responses, by the last segment of the path. */
const ANSWERS: Readonly<Record<string, () => Response>> = {
  // The result of `new Response(r.body, { headers: r.headers })` for a compressed upstream response.
  decompressed: () =>
    new Response(chunks(PAGE), {
      headers: { 'content-encoding': 'gzip', 'content-length': String(gzipSync(PAGE).length) },
    }),
  'too-long': () => new Response(chunks('1234', SMUGGLED), { headers: { 'content-length': '4' } }),
  'too-short': () => new Response(chunks('1234'), { headers: { 'content-length': '400' } }),
  'no-body': () => new Response(null, { headers: { 'content-length': '400' } }),
  'two-lengths': () =>
    new Response(chunks(SMUGGLED), {
      headers: [
        ['content-length', '4'],
        ['content-length', '5'],
      ],
    }),
  chunked: () => new Response(SMUGGLED, { headers: { 'transfer-encoding': 'chunked', connection: 'close' } }),
  empty: () => new Response(null, { status: 204, headers: { 'content-length': '9' } }),
  unchanged: () => new Response(null, { status: 304, headers: { 'content-length': '9, 8' } }),
  internal: () => new Response('x', { status: 421, headers: { 'guildway-owner': '7', 'guildway-refusal': 'x' } }),
  victim: () => new Response('mine'),
};

let pod: GatewayPod;
let http: HttpUnderTest;

before(async () => {
  http = await startHttp({ gatewayPods: 1, env: { LINK_SECRET: SECRET } });
  pod = await startGatewayPod({
    env: { PORT: String(http.gatewayPorts[0]) },
    bot: {
      fetch: async (request) => {
        const name = new URL(request.url).pathname.split('/').at(-1) as string;
        return (ANSWERS[name] ?? (() => new Response('no such answer', { status: 404 })))();
      },
    },
  });
});
after(async () => {
  await http[Symbol.asyncDispose]();
  await pod[Symbol.asyncDispose]();
});

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  /** Null: the connection ended before the body did. */
  readonly body: string | null;
}

/** Sends a request on a persistent connection. Rejects without a response. */
function ask(agent: Agent, guild: string, name: string, options: { method?: string; accept: string }): Promise<Answer> {
  const { method = 'GET', accept } = options;
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(`${http.url}/app/${guild}/${name}`, {
      ...{ agent, method, headers: { accept } },
      // A response that never ends is a failure, not a reason to wait.
      signal: AbortSignal.timeout(5_000),
    });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      const parts: Buffer[] = [];
      const end = (body: string | null) =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => end(Buffer.concat(parts).toString()));
      response.on('error', () => end(null));
    });
    outgoing.end();
  });
}

// Server-sent events use plain HTTP between the pods, everything else the link.
for (const [way, accept] of [
  ['plain HTTP', 'text/event-stream'],
  ['the link', 'text/html'],
] as const) {
  test(`over ${way}: no client gets a byte of another one's response`, async () => {
    using attackers = agent();
    using victims = agent();
    for (let round = 0; round < 5; round++) {
      for (const name of Object.keys(ANSWERS)) {
        for (const method of ['GET', 'HEAD']) {
          await ask(attackers, ATTACKER, name, { method, accept }).catch(() => null);
          const answer = await ask(victims, VICTIM, 'victim', { accept });
          assert.deepEqual([answer.status, answer.body], [200, 'mine'], `after ${method} ${name}`);
          assert.equal(answer.headers['set-cookie'], undefined);
        }
      }
    }
  });
}

test('over plain HTTP, a wrong length ends the connection; the length of a compressed body is omitted', async () => {
  using agents = agent();
  const accept = 'text/event-stream';
  assert.equal((await ask(agents, ATTACKER, 'decompressed', { accept })).body, PAGE);
  assert.equal((await ask(agents, ATTACKER, 'too-long', { accept })).body, null);
  assert.equal((await ask(agents, ATTACKER, 'too-short', { accept })).body, null);
  assert.equal((await ask(agents, ATTACKER, 'two-lengths', { accept })).body, SMUGGLED);
  assert.deepEqual((await ask(agents, ATTACKER, 'no-body', { accept })).body, '');
});

function agent(): Agent & Disposable {
  const made = new Agent({ keepAlive: true, maxSockets: 1 });
  return Object.assign(made, { [Symbol.dispose]: () => made.destroy() });
}
