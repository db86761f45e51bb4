/**
 * The two request paths of one connection: the fast path, which reads whole requests, and Node's server. Only the spelling of the
 * `Date` header tells which one served a request.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { BodyReader } from '../../../../../src/http/inbound/body.ts';
import { FastPathRequest } from '../../../../../src/http/inbound/fast-path/fast-path-request.ts';
import { type GatewayRequest, HEADER, type RequestContext } from '../../../../../src/link/message.ts';
import { type HttpUnderTest, signedHeaders, startHttp, startLinkPod } from '../../../../support/http-service.ts';
import { until } from '../../../../support/wait.ts';

const env = { LINK_SECRET: 'the link secret of this test', KEEP_ALIVE_MS: '1000', HEADERS_TIMEOUT_MS: '1200' };
const guild = '197038439483310086'; // owner 2 of 3
const path = `/api/guilds/${guild}`;

let http: HttpUnderTest;
const seen: GatewayRequest[] = [];
const held = new Map<string, { context: RequestContext; answer: () => void }>();
const pods: AsyncDisposable[] = [];

before(async () => {
  http = await startHttp({ env });
  for (const ordinal of [0, 1, 2]) {
    pods.push(
      await startLinkPod(http, ordinal, async (request, context) => {
        seen.push(request);
        const { searchParams: query } = new URL(request.target, 'http://pod');
        const hold = query.get('hold');
        if (hold !== null) await new Promise<void>((answer) => held.set(hold, { context, answer }));
        const status = Number(query.get('status') ?? 200);
        const body = Buffer.from(query.has('size') ? 'x'.repeat(Number(query.get('size'))) : `echo ${request.body}`);
        const headers = [
          'content-type',
          'text/plain',
          'x-n',
          query.get('n') ?? '',
          'set-cookie',
          'a=1',
          'set-cookie',
          'b=2',
        ];
        if (request.method === 'HEAD')
          return { status, headers: [...headers, 'content-length', '9'], body: Buffer.alloc(0) };
        return { status, headers, body };
      }),
    );
  }
  await until('links', () => http.service.readiness().reasons.length === 0);
});
after(async () => {
  for (const { answer } of held.values()) answer();
  for (const pod of pods) await pod[Symbol.asyncDispose]();
  await http[Symbol.asyncDispose]();
});

/** A client that sends the given bytes, and reads responses with a length. */
class Client {
  readonly socket: Socket;
  #text = '';

  constructor() {
    this.socket = connect({ port: http.port, host: '127.0.0.1', noDelay: true });
    this.socket.on('error', () => {});
    this.socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
    });
  }

  write(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Sends text in two packets, the second after the first was read. */
  async writeCut(text: string, at: number): Promise<this> {
    if (this.socket.connecting) await once(this.socket, 'connect');
    this.write(text.slice(0, at));
    await new Promise((resolve) => setTimeout(resolve, 5));
    return this.write(text.slice(at));
  }

  async next(method = 'GET'): Promise<{ fast: boolean; status: string; headers: string[]; body: string }> {
    await until('a head', () => this.#text.includes('\r\n\r\n') || this.socket.closed);
    const end = this.#text.indexOf('\r\n\r\n');
    assert.notEqual(end, -1, `the connection was closed after ${JSON.stringify(this.#text)}`);
    const [status, ...lines] = this.#text.slice(0, end).split('\r\n') as [string, ...string[]];
    const length = /^content-length: (\d+)$/im.exec(lines.join('\n'))?.[1];
    const stop = end + 4 + (method === 'HEAD' ? 0 : Number(length ?? 0));
    await until('a body', () => this.#text.length >= stop || this.socket.closed);
    const body = this.#text.slice(end + 4, stop);
    this.#text = this.#text.slice(stop);
    const changes = new RegExp(`^(?:date|${HEADER.requestId}): `, 'i');
    const headers = lines
      .filter((line) => !changes.test(line))
      .map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase()));
    return { fast: lines.some((line) => line.startsWith('date: ')), status, headers: headers.toSorted(), body };
  }
}

const request = (target: string, method = 'GET', body = '', headers = ''): string =>
  `${method} ${target} HTTP/1.1\r\nHost: bot.example\r\n${headers}${body === '' ? '' : `Content-Length: ${body.length}\r\n`}\r\n${body}`;

/** What the pod received, without the fields that differ for each request. */
function lastSeen(): unknown {
  const { method, target, headers, body } = seen.at(-1) as GatewayRequest;
  const rest = headers.filter((_, i) => headers[i - (i % 2)] !== HEADER.requestId);
  return { method, target, headers: rest, body: body.toString('latin1') };
}

const interaction = JSON.stringify({ id: '1', type: 2, guild_id: guild, data: { name: 'x' } });
const signature = (body: string) =>
  Object.entries(signedHeaders(body))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
const requests: Record<string, [text: string, method: string]> = {
  'a GET': [
    request(
      `${path}?n=1`,
      'GET',
      '',
      'Accept: */*\r\nCookie: a=b\r\nX-Forwarded-For: 10.0.0.1\r\nx-Twice: 1\r\nX-TWICE: 2\r\n',
    ),
    'GET',
  ],
  'headers that are not passed on': [
    request(path, 'GET', '', 'Guildway-Pod: 9\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nTE: x\r\n'),
    'GET',
  ],
  'a HEAD': [request(path, 'HEAD'), 'HEAD'],
  'a POST': [request(path, 'POST', 'hello \xe9'), 'POST'],
  'a DELETE without a body': [request(path, 'DELETE'), 'DELETE'],
  'a large response': [request(`${path}?size=50000`), 'GET'],
  'a 204': [request(`${path}?status=204`), 'GET'],
  'a 304': [request(`${path}?status=304`), 'GET'],
  'a status that the pod gives': [request(`${path}?status=418`), 'GET'],
  'a path without a guild': [request('/'), 'GET'],
  'a signed interaction': [request('/webhooks/discord', 'POST', interaction, signature(interaction)), 'POST'],
  'one with a wrong signature': [request('/webhooks/discord', 'POST', interaction, signature('{}')), 'POST'],
  'a PING': [request('/webhooks/discord', 'POST', '{"type":1}', signature('{"type":1}')), 'POST'],
};

test('both paths give the pod the same request and the client the same response', async () => {
  for (const [what, [text, method]] of Object.entries(requests)) {
    const fastClient = new Client();
    const whole = await fastClient.write(text).next(method);
    const seenFast = lastSeen();
    const server = new Client();
    const cut = await (await server.writeCut(text, 20)).next(method);
    assert.ok(whole.fast && !cut.fast, `${what}: each came its way`);
    assert.deepEqual({ ...whole, fast: null }, { ...cut, fast: null }, what);
    assert.deepEqual(seenFast, lastSeen(), what);
    fastClient.socket.destroy();
    server.socket.destroy();
  }
});

test('a request that the fast path does not serve is answered on the same connection', async () => {
  const others = {
    'not found': [request('/_guildway/state'), '404'],
    'not a guild id': [request('/api/guilds/x'), '400'],
    'two ways to read a path': [request(`/app/${guild}/../1`), '400'],
    'wrong method': [request('/webhooks/discord'), '405'],
    'an expectation': [request(path, 'POST', 'abc', 'Expect: 100-continue\r\n'), '100'],
    'no host': ['GET / HTTP/1.1\r\n\r\n', '400'],
    'no HTTP': ['hello\r\n\r\n', '400'],
  } satisfies Record<string, [string, string]>;
  for (const [what, [text, status]] of Object.entries(others)) {
    const client = new Client();
    assert.equal((await client.write(request(path)).next()).fast, true);
    const answer = await client.write(text).next();
    assert.equal(answer.status.split(' ')[1], status, what);
    assert.equal(answer.fast, false, what);
    client.socket.destroy();
  }
});

test('a request may be split anywhere, and the connection continues', async () => {
  const text = request(`${path}?n=cut`, 'POST', 'some body');
  for (let at = 1; at < text.length; at += 7) {
    const client = new Client();
    assert.equal((await client.write(request(`${path}?n=1`)).next()).fast, true);
    const cut = await (await client.writeCut(text, at)).next();
    assert.ok(!cut.fast && cut.headers.includes('x-n: cut') && cut.body === 'echo some body', `cut at ${at}`);
    assert.ok((await client.write(request(`${path}?n=3`)).next()).headers.includes('x-n: 3'), `after a cut at ${at}`);
    client.socket.destroy();
  }
});

test('a client that pipelines requests gets the responses in order', async () => {
  const client = new Client();
  const numbers = Array.from({ length: 50 }, (_, n) => String(n));
  client.write(request(`${path}?n=0&hold=first`));
  await until('a request at its pod', () => held.has('first'));
  // While the first is being answered: the bytes that the fast path has read go to the server with the rest.
  for (const n of numbers.slice(1)) {
    client.write(request(`${path}?n=${n}&size=${Number(n) * 500}`));
    if (Number(n) % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  held.get('first')?.answer();
  for (const n of numbers) assert.ok((await client.next()).headers.includes(`x-n: ${n}`), n);
  client.socket.destroy();
});

test('a client that reads slowly gets everything, in order', async () => {
  const client = new Client();
  client.socket.pause();
  for (let n = 0; n < 40; n++) client.write(request(`${path}?n=${n}&size=250000`));
  await until('the first requests', () => seen.some(({ target }) => target.includes('n=5&size=250000')));
  client.socket.resume();
  for (let n = 0; n < 40; n++) {
    const { headers, body } = await client.next();
    assert.ok(headers.includes(`x-n: ${n}`) && body.length === 250_000, String(n));
  }
  client.socket.destroy();
});

test('a client that disconnects cancels its request', async () => {
  const client = new Client();
  client.write(request(`${path}?hold=gone`));
  await until('a request at its pod', () => held.has('gone'));
  client.socket.destroy();
  await until('the pod hears of it', () => held.get('gone')?.context.signal.aborted === true);
  await until('it is counted', async () =>
    (await http.registry.metrics()).includes('route="guild",pod="none",outcome="client-error"'),
  );
});

test('idle connections are closed; a connection with a request is not', async () => {
  const never = new Client();
  const once = new Client();
  const busy = new Client();
  await once.write(request(path)).next();
  busy.write(request(`${path}?hold=busy`));
  await until('they are closed', () => never.socket.closed && once.socket.closed);
  assert.ok(!busy.socket.destroyed);
  held.get('busy')?.answer();
  assert.equal((await busy.next()).status, 'HTTP/1.1 200 OK');
  await until('it is closed', () => busy.socket.closed);
});

test('bodies count as held until their requests are answered', async () => {
  const accounting = { bodies: new BodyReader(10), clientOf: () => null };
  const whole = { method: 'POST', url: '/', fields: [], body: Buffer.from('123456') };
  const connection = { address: '', respond: () => {}, hasRoom: () => true, close: () => {} };
  const first = new FastPathRequest(whole, '1', connection, accounting);
  const second = new FastPathRequest(whole, '2', connection, accounting);
  assert.equal(await first.readBody(6, 'interaction', null), whole.body);
  await assert.rejects(second.readBody(6, 'interaction', null), { code: 'OVERLOADED' });
  await assert.rejects(second.readBody(5, 'interaction', null), { code: 'BODY_TOO_LARGE' });
  first.respond(200, [], Buffer.alloc(0));
  assert.equal(await second.readBody(6, 'interaction', null), whole.body);
  second.gone();
  assert.equal(
    await new FastPathRequest(whole, '3', connection, accounting).readBody(6, 'interaction', null),
    whole.body,
  );
});

test('one client cannot use up the body allowance', async () => {
  const accounting = { bodies: new BodyReader(128 * 1024), clientOf: ({ address }: { address: string }) => address };
  const whole = { method: 'POST', url: '/', fields: [], body: Buffer.alloc(16 * 1024) };
  const send = (address: string) => {
    const connection = { address, respond: () => {}, hasRoom: () => true, close: () => {} };
    return new FastPathRequest(whole, 'r', connection, accounting).readBody(whole.body.length, 'other', null);
  };
  await send('192.0.2.1');
  await assert.rejects(send('192.0.2.1'), { code: 'OVERLOADED' });
  await send('192.0.2.2');
});

test('a pod that shuts down answers accepted requests, and announces that the connection closes', async () => {
  const idle = new Client();
  const busy = new Client();
  await idle.write(request(path)).next();
  busy.write(request(`${path}?n=last&hold=last`));
  await until('a request at its pod', () => held.has('last'));
  const drained = http.service.drain();
  const answer = await idle.write(request(`${path}?n=idle`)).next();
  assert.ok(answer.fast && answer.headers.includes('connection: close') && answer.headers.includes('x-n: idle'));
  held.get('last')?.answer();
  const last = await busy.next();
  assert.ok(last.headers.includes('connection: close') && last.headers.includes('x-n: last'));
  await drained;
  await until('both are closed', () => idle.socket.closed && busy.socket.closed);
});
