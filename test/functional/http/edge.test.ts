/** Mistakes and attacks of clients get an error response, never a crash or a 5xx. */
// Of src/http/endpoints/{classify,endpoints,interaction,routed-response,webhooks}.ts, src/http/inbound/{reply,request-head,body-allowance}.ts.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { GatewayResponse } from '../../../src/link/message.ts';
import {
  type HttpUnderTest,
  signedHeaders,
  startHttp,
  startLinkPod,
  startPlainPod,
} from '../../support/http-service.ts';
import { until } from '../../support/wait.ts';

const secret = 'the link secret of this test';
const id = '197038439483310086';
let http: HttpUnderTest;
before(async () => {
  // No gateway pod listens: whatever passes the checks is answered by the HTTP pod itself.
  http = await startHttp({
    env: {
      INTERACTION_BUDGET_MS: '100',
      STAND_IN_RESERVE_MS: '50',
      REQUEST_TIMEOUT_MS: '100',
      RETRY_BASE_MS: '1',
    },
  });
});
after(() => http[Symbol.asyncDispose]());

async function interact(body: string | Buffer, headers = signedHeaders(body)): Promise<Response> {
  const response = await fetch(`${http.url}/webhooks/discord`, { method: 'POST', headers, body: body as string });
  await response.clone().text();
  return response;
}

/** Sends bytes as they are and returns all that comes back until the connection ends. */
async function raw(bytes: string | Buffer, port = http.port): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  await once(socket, 'close');
  return answer;
}

/** Like most clients, sends everything before it reads anything. */
async function rawReadingLate(bytes: string | Buffer): Promise<string> {
  const socket = connect({ port: http.port, host: '127.0.0.1', noDelay: true }).pause();
  socket.on('error', () => {});
  await new Promise((resolve) => {
    socket.once('close', resolve);
    socket.write(bytes, resolve);
  });
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  socket.resume();
  if (!socket.destroyed) await once(socket, 'close');
  return answer;
}

test('any signed body gets 200 or 400', async () => {
  const anything = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .record(
        {
          id: fc.oneof(fc.constant('1000'), fc.constant(1000), fc.jsonValue()),
          type: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.jsonValue()),
          guild_id: fc.oneof(fc.constant(id), fc.constant('01'), fc.jsonValue()),
          data: fc.oneof(
            fc.record({ name: fc.jsonValue(), custom_id: fc.jsonValue() }, { requiredKeys: [] }),
            fc.jsonValue(),
          ),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
  );
  await fc.assert(
    fc.asyncProperty(anything, async (body) => {
      const { status } = await interact(body === '' ? ' ' : body);
      assert.ok(status === 200 || status === 400, `status ${status} for ${body}`);
    }),
    { numRuns: 60 },
  );
  for (const [data, status] of [
    ...[5, null, {}, []].map((custom_id) => [{ custom_id }, 400] as const),
    ...['constructor', '__proto__'].map((custom_id) => [{ custom_id }, 200] as const),
    ...[null, 'x', 7, {}].map((none) => [none, 400] as const),
  ] as const) {
    for (const type of [3, 5]) {
      const body = JSON.stringify({ id: '1000', type, guild_id: id, data });
      assert.equal((await interact(body)).status, status, body);
    }
  }
  for (const name of [5, null, {}, []]) {
    const body = JSON.stringify({ id: '1000', type: 2, guild_id: id, data: { name } });
    assert.equal((await interact(body)).status, 400, body);
  }
});

test('a missing, malformed, mismatched or repeated signature gets 401', async () => {
  const body = '{"type":1}';
  const good = signedHeaders(body) as { 'x-signature-ed25519': string; 'x-signature-timestamp': string };
  const signature = good['x-signature-ed25519'];
  assert.equal((await interact(body)).status, 200);
  const wrong: Record<string, string>[] = [
    {},
    { 'x-signature-timestamp': good['x-signature-timestamp'] },
    { 'x-signature-ed25519': signature },
    { ...good, 'x-signature-ed25519': signature.slice(2) },
    { ...good, 'x-signature-ed25519': `${signature}00` },
    { ...good, 'x-signature-ed25519': `zz${signature.slice(2)}` },
    { ...good, 'x-signature-ed25519': '' },
    { ...good, 'x-signature-timestamp': '' },
    { ...good, 'x-signature-timestamp': `${good['x-signature-timestamp']} 1` },
    { ...good, 'x-signature-timestamp': '1e9' },
    signedHeaders('{"type":2}'),
    signedHeaders(body, '1'),
  ];
  for (const headers of wrong) assert.equal((await interact(body, headers)).status, 401, JSON.stringify(headers));
  const lines = (extra: string) =>
    `POST /webhooks/discord HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n` +
    `X-Signature-Ed25519: ${signature}\r\nX-Signature-Timestamp: ${good['x-signature-timestamp']}\r\n${extra}\r\n${body}`;
  assert.match(await raw(lines('')), /^HTTP\/1\.1 200 /);
  assert.match(await raw(lines(`X-Signature-Ed25519: ${signature}\r\n`)), /^HTTP\/1\.1 401 /);
  assert.match(await raw(lines(`X-Signature-Timestamp: 1\r\n`)), /^HTTP\/1\.1 401 /);
});

test('arbitrary signature headers get 401', async () => {
  const value = fc.oneof(fc.stringMatching(/^[\x21-\x7e]{0,200}$/), fc.stringMatching(/^[0-9a-f]{128}$/));
  await fc.assert(
    fc.asyncProperty(value, value, async (signature, timestamp) => {
      const headers = { 'x-signature-ed25519': signature, 'x-signature-timestamp': timestamp };
      assert.equal((await interact('{"type":1}', headers)).status, 401);
    }),
    { numRuns: 60 },
  );
});

test('a signed interaction reaches a plain server with the headers that the server needs to verify it', async () => {
  await using one = await startHttp({ gatewayPods: 1 });
  let seen: NodeJS.Dict<string | string[]> = {};
  await using _pod = await startPlainPod(one.gatewayPorts[0] as number, (request, response) => {
    seen = request.headers;
    request.resume().once('end', () => response.end('{"type":4,"data":{"content":"x"}}'));
  });
  const body = JSON.stringify({ id: '1000', type: 2, guild_id: id, data: { name: 'x' } });
  const headers = signedHeaders(body);
  const response = await fetch(`${one.url}/webhooks/discord`, { method: 'POST', headers, body });
  assert.equal(response.status, 200);
  assert.equal(seen['x-signature-ed25519'], headers['x-signature-ed25519']);
  assert.equal(seen['x-signature-timestamp'], headers['x-signature-timestamp']);
  assert.equal(seen['content-type'], 'application/json');
});

test('a body over the limit gets a readable 413 before its signature is checked, and the connection is closed', async () => {
  const over = 2 * 1024 * 1024;
  const head = `POST /webhooks/discord HTTP/1.1\r\nHost: x\r\n${Object.entries(signedHeaders('another body'))
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}`;
  const declared = Buffer.concat([Buffer.from(`${head}Content-Length: ${over}\r\n\r\n`), Buffer.alloc(over, 'x')]);
  const chunks = Array.from({ length: 32 }, () => `10000\r\n${'x'.repeat(65_536)}\r\n`).join('');
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
  for (const request of [declared, chunked]) {
    const answer = await rawReadingLate(request);
    assert.match(answer, /^HTTP\/1\.1 413 .*Connection: close.*"error"/is);
  }
  // To the byte: a body that fits is read, and then rejected for its signature.
  for (const [length, status] of [
    [256 * 1024, 401],
    [256 * 1024 + 1, 413],
  ] as const) {
    const chunk = `${length.toString(16)}\r\n${'x'.repeat(length)}\r\n0\r\n\r\n`;
    const answer = await rawReadingLate(`${head}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n${chunk}`);
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), `${length} bytes`);
  }
  // A body that only declares to be too large is not awaited: it never arrives.
  assert.match(await raw(`${head}Content-Length: ${over}\r\n\r\n`), /^HTTP\/1\.1 413 /);
});

test('content-length: the actual one for a body, the declared one for HEAD, none for 204', async () => {
  const responses: Record<string, GatewayResponse> = {
    '/wrong': { status: 200, headers: ['content-length', '3'], body: Buffer.from('four') },
    '/head': { status: 200, headers: ['content-length', '1234'], body: Buffer.alloc(0) },
    '/head-without': { status: 200, headers: [], body: Buffer.alloc(0) },
    '/none': { status: 204, headers: ['content-length', '0'], body: Buffer.alloc(0) },
  };
  await using one = await startHttp({ gatewayPods: 1, env: { LINK_SECRET: secret } });
  await using _pod = await startLinkPod(one, 0, (request) => responses[request.target] as GatewayResponse);
  const ask = (method: string, path: string) =>
    raw(`${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, one.port);
  assert.match(await ask('GET', '/wrong'), /content-length: 4\r\n.*\r\n\r\nfour$/s);
  assert.match(await ask('HEAD', '/head'), /content-length: 1234\r\n.*\r\n\r\n$/s);
  assert.doesNotMatch(await ask('HEAD', '/head-without'), /content-length/);
  assert.doesNotMatch(await ask('GET', '/none'), /content-length/);
});

test('buffered bodies are bounded in total and accepted again when there is room', async () => {
  await using one = await startHttp({ gatewayPods: 1 });
  const size = 256 * 1024;
  const head = `POST /webhooks/discord HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n${Object.entries(
    signedHeaders('x'),
  )
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
  // Each sends all but the last byte of a body within its limit, and waits.
  const almost = Buffer.concat([Buffer.from(head), Buffer.alloc(size - 1, 'x')]);
  let refused = 0;
  const clients = Array.from({ length: 320 }, () => {
    const socket = connect(one.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.once('data', (data) => {
      if (String(data).startsWith('HTTP/1.1 503 ')) refused++;
    });
    socket.write(almost);
    return socket;
  });
  for (const end = performance.now() + 8_000; refused < 40 && performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(refused >= 40 && refused < 160, `${refused} of 320 were refused`);
  for (const socket of clients) socket.destroy();
  const body = '{"type":1}';
  for (let status = 0; status !== 200; ) {
    const response = await fetch(`${one.url}/webhooks/discord`, { method: 'POST', headers: signedHeaders(body), body });
    status = response.status;
    await response.text();
  }
});

test('bodies that wait for an owner have a limited share; interactions are always accepted, others when there is room', async () => {
  await using one = await startHttp({ gatewayPods: 1, env: { REQUEST_TIMEOUT_MS: '60000' } });
  const unanswered = new Set<ServerResponse>();
  await using _silent = await startPlainPod(one.gatewayPorts[0] as number, (request, response) => {
    if (request.url === '/taken') response.end('taken');
    else if (request.url === '/webhooks/discord') response.end('{"type":4,"data":{"content":"taken"}}');
    else unanswered.add(response);
  });
  const body = Buffer.alloc(250 * 1024, 'x');
  const post = async (path: string): Promise<number> => {
    const response = await fetch(`${one.url}${path}`, { method: 'POST', body });
    await response.text();
    return response.status;
  };
  const statuses: number[] = [];
  const posts = Array.from({ length: 400 }, async () => statuses.push(await post('/app/197038439483310086')));
  await until('each waits or was refused', () => unanswered.size + statuses.length === posts.length, 60_000);
  const refused = statuses.length;
  // 64 MiB, less the reserve of interactions, and of that half for one pod.
  assert.equal(400 - refused, Math.floor((64 * 1024 * 0.75 * 0.5) / 250));
  assert.deepEqual(new Set(statuses), new Set([503]));
  for (let i = 1; i <= 20; i++) {
    const interaction = JSON.stringify({ id: String(102860784329052160n + BigInt(i)), type: 2, data: { name: 'x' } });
    const init = { method: 'POST', headers: signedHeaders(interaction), body: interaction };
    const response = await fetch(`${one.url}/webhooks/discord`, init);
    assert.match(await response.text(), /taken/, `interaction ${i} of 20`);
  }
  for (const response of unanswered) response.destroy();
  await Promise.all(posts);
  assert.equal(statuses.filter((status) => status === 502).length, 400 - refused);
  assert.equal(await post('/taken'), 200);
});
