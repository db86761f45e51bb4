import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { getGatewayPodForGuild } from 'guildway/routing';
import { WebSocket, WebSocketServer } from 'ws';
import { type HttpUnderTest, signedHeaders, startHttp, startPlainPod } from '../../support/http-service.ts';

// Gateway pods here are ordinary web servers: an HTTP pod must work in front of those too.

const id = '197038439483310086';
const owner = getGatewayPodForGuild(id, 3);
let http: HttpUnderTest;
const pods: (Server & AsyncDisposable)[] = [];
/** Ends the stream that has sent nothing yet. */
let silent = (): void => {};
const seen: { pod: number; request: IncomingMessage; body: string }[] = [];

async function serve(pod: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url as string;
  if (path.endsWith('/hash')) {
    const hash = createHash('sha256');
    for await (const chunk of request) hash.update(chunk);
    response.end(hash.digest('hex'));
    return;
  }
  if (path.endsWith('/large')) {
    const chunk = Buffer.alloc(1024 * 1024, 'x');
    Readable.from(
      (function* () {
        for (let i = 0; i < 64; i++) yield chunk;
      })(),
    ).pipe(response);
    return;
  }
  if (path.endsWith('/silent')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    silent = () => response.end('data: at last\n\n');
    return;
  }
  if (path.endsWith('/events')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: first\n\n');
    request.socket.once('close', () => response.end());
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  seen.push({ pod, request, body: Buffer.concat(chunks).toString() });
  if (path.endsWith('/204')) response.writeHead(204, { 'x-kept': 'yes' }).end();
  else if (path.endsWith('/304')) response.writeHead(304, { etag: '"1"' }).end();
  else if (path.endsWith('/headers')) {
    response
      .writeHead(200, { connection: 'x-private', 'x-private': '1', 'guildway-owner': '7', 'x-public': 'caf\u00e9' })
      .end();
  } else
    response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ pod, path, method: request.method }));
}

before(async () => {
  http = await startHttp();
  for (const [pod, port] of http.gatewayPorts.entries()) {
    pods.push(
      await startPlainPod(
        port,
        (request, response) => void serve(pod, request, response).catch(() => response.destroy()),
      ),
    );
  }
  const sockets = new WebSocketServer({ server: pods[owner] as Server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(`echo ${data}`)));
});
after(async () => {
  await http[Symbol.asyncDispose]();
  for (const pod of pods) await pod[Symbol.asyncDispose]();
});

test('requests go to the owner, and the response names it', async () => {
  for (const guildId of ['102860784329052160', '81384788765712384', id, '41771983423143937']) {
    const response = await fetch(`${http.url}/api/guilds/${guildId}/x?y=1`);
    const pod = getGatewayPodForGuild(guildId, 3);
    assert.deepEqual(await response.json(), { pod, path: `/api/guilds/${guildId}/x?y=1`, method: 'GET' });
    assert.equal(response.headers.get('guildway-pod'), String(pod));
    assert.match(response.headers.get('guildway-request-id') ?? '', /./);
  }
  assert.equal(((await (await fetch(`${http.url}/anything`)).json()) as { pod: number }).pod, 0);
});

test('methods, statuses and bodies pass unchanged', async () => {
  const url = `${http.url}/app/${id}`;
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const response = await fetch(url, { method, body: `body of ${method}` });
    assert.equal(((await response.json()) as { method: string }).method, method);
    assert.equal(seen.at(-1)?.body, `body of ${method}`);
  }
  const head = await fetch(url, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(await head.text(), '');
  const none = await fetch(`${url}/204`);
  assert.deepEqual([none.status, none.headers.get('x-kept'), await none.text()], [204, 'yes', '']);
  const unchanged = await fetch(`${url}/304`);
  assert.deepEqual([unchanged.status, unchanged.headers.get('etag')], [304, '"1"']);
});

test('hop-by-hop headers are removed, clients cannot set internal ones, forwarding headers are added', async () => {
  const headers = {
    'guildway-deferred': '5',
    'Guildway-Hint': 'x',
    'x-forwarded-for': '203.0.113.9',
    te: 'trailers',
    'x-own': 'yes',
  };
  await (await fetch(`${http.url}/app/${id}`, { headers })).text();
  const got = seen.at(-1)?.request.headers ?? {};
  assert.equal(got['guildway-deferred'], undefined);
  assert.equal(got['guildway-hint'], undefined);
  assert.equal(got.te, undefined);
  assert.equal(got['x-own'], 'yes');
  assert.equal(got['x-forwarded-for'], '203.0.113.9, 127.0.0.1');
  assert.equal(got['x-forwarded-proto'], 'http');
  assert.equal(got.host, `127.0.0.1:${http.port}`);
  const response = await fetch(`${http.url}/app/${id}/headers`);
  assert.equal(response.headers.get('x-private'), null);
  assert.equal(response.headers.get('guildway-owner'), null);
  assert.equal(response.headers.get('x-public'), 'caf\u00e9');
});

test('large bodies stream both ways', async () => {
  const size = 7 * 1024 * 1024;
  const body = Buffer.alloc(size, 'abcdefg');
  const response = await fetch(`${http.url}/app/${id}/hash`, { method: 'POST', body });
  assert.equal(await response.text(), createHash('sha256').update(body).digest('hex'));
  const large = await fetch(`${http.url}/app/${id}/large`);
  let received = 0;
  for await (const chunk of large.body as ReadableStream<Uint8Array>) received += chunk.length;
  assert.equal(received, 64 * 1024 * 1024);
});

test('a body beyond the limit is rejected, with or without a declared length', async () => {
  const over = 9 * 1024 * 1024;
  const declared = await fetch(`${http.url}/app/${id}/hash`, { method: 'POST', body: Buffer.alloc(over) }).catch(
    () => null,
  );
  if (declared !== null) assert.equal(declared.status, 413);
  const chunked = await fetch(`${http.url}/app/${id}/hash`, {
    method: 'POST',
    duplex: 'half',
    body: Readable.toWeb(Readable.from(Array.from({ length: 9 }, () => Buffer.alloc(1024 * 1024)))) as ReadableStream,
  } as RequestInit).catch(() => null);
  if (chunked !== null) assert.equal(chunked.status, 413);
});

test('server-sent events arrive as they are sent, and end when the client disconnects', async () => {
  const controller = new AbortController();
  const response = await fetch(`${http.url}/app/${id}/events`, {
    headers: { accept: 'text/event-stream' },
    signal: controller.signal,
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const { value } = await reader.read();
  assert.equal(Buffer.from(value as Uint8Array).toString(), 'data: first\n\n');
  controller.abort();
  await assert.rejects(reader.read());
});

test('a stream without an event still sends its head', async () => {
  const response = await fetch(`${http.url}/app/${id}/silent`, { headers: { accept: 'text/event-stream' } });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  // Only now: if the head had waited for this, there would be no response.
  silent();
  assert.equal(await response.text(), 'data: at last\n\n');
});

test('a websocket is connected to the owner', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${http.port}/app/${id}/live`);
  await once(socket, 'open');
  socket.send('hello');
  const [data] = await once(socket, 'message');
  assert.equal(String(data), 'echo hello');
  socket.close();
  await once(socket, 'close');
});

test('signed interactions reach a plain owner with their raw body', async () => {
  const body = JSON.stringify({ id: '1000', type: 2, guild_id: id, data: { name: 'x', guild_id: '1' } });
  const response = await fetch(`${http.url}/webhooks/discord`, { method: 'POST', headers: signedHeaders(body), body });
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('guildway-pod'), String(owner));
  assert.equal(seen.at(-1)?.body, body);
  assert.equal(seen.at(-1)?.pod, owner);
});

/** Sends bytes as they are and returns all that comes back until the connection ends. */
async function raw(bytes: string, port = http.port): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes, 'latin1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  await once(socket, 'close');
  return answer;
}

test('ambiguous requests are rejected at the edge', async () => {
  const before = seen.length;
  const guild = `/app/${id}`;
  for (const [name, bytes] of [
    [
      'both lengths',
      `POST ${guild} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['two lengths', `POST ${guild} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
    ['a bare line feed', `GET ${guild} HTTP/1.1\nHost: x\n\n`],
    ['a space before the colon', `GET ${guild} HTTP/1.1\r\nHost : x\r\n\r\n`],
    ['no host', `GET ${guild} HTTP/1.1\r\n\r\n`],
  ] as const) {
    const answer = await raw(bytes);
    assert.match(answer, /^HTTP\/1\.1 400 /, name);
  }
  assert.equal(seen.length, before);
});

test('an invalid guild id never leaves the edge', async () => {
  const before = seen.length;
  for (const wrong of ['0', '-1', '01', 'abc', '123456789012345678901', '18446744073709551616', '%D9%A1']) {
    const response = await fetch(`${http.url}/app/${wrong}/x`);
    assert.equal(response.status, 400, wrong);
    await response.text();
  }
  assert.match(await raw(`GET /app/\u0661/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 400 /);
  assert.match(
    await raw(`GET http://evil/_guildway/state HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`),
    /^HTTP\/1\.1 404 /,
  );
  assert.equal((await fetch(`${http.url}/_guildway/state`)).status, 404);
  // A URL parser and a router would read different guilds from these.
  for (const path of [
    `/app/${id}/../1`,
    `/app/${id}/%2E%2e/1`,
    `/app/${id}/.%2e/1`,
    `/app/${id}\\..\\1`,
    `/app/${id}/./x`,
    '/app/..',
  ]) {
    assert.match(await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`), /^HTTP\/1\.1 400 /, path);
  }
  assert.equal(seen.length, before);
});

test('a client that sends its headers or its body slowly is disconnected, others are served', async () => {
  await using slow = await startHttp({ env: { HEADERS_TIMEOUT_MS: '300', BODY_TIMEOUT_MS: '600' } });
  const answers = Promise.all([
    raw('GET / HTTP/1.1\r\nHost: x\r\n', slow.port),
    raw(
      `POST /webhooks/discord HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n${Object.entries(signedHeaders('x'))
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('')}\r\n{`,
      slow.port,
    ),
  ]);
  assert.equal((await fetch(`${slow.url}/webhooks/discord`, { method: 'POST' })).status, 401);
  for (const answer of await answers) assert.match(answer, /^HTTP\/1\.1 408 |^$/);
});
