/** Plain HTTP to gateway pods: retries, redirects, and clients and pods that disconnect. */
// Of src/http/outbound/{plain-transport,forwarded-request,retry,connect,pod-statements,dispatcher,whole-response}.ts.
import assert from 'node:assert/strict';
import type { LookupOptions } from 'node:dns';
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type LookupFunction } from 'node:net';
import { after, before, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createSharedLookup } from '../../../../src/http/outbound/lookup.ts';
import { type HttpUnderTest, signedHeaders, startHttp, startPlainPod } from '../../../support/http-service.ts';

const id = '197038439483310086'; // owner 2 of 3
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

async function until(what: string, probe: () => boolean): Promise<void> {
  for (const end = performance.now() + 30_000; !probe(); ) {
    if (performance.now() > end) assert.fail(what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function startOne(
  listener: Listener,
  env: Record<string, string> = {},
): Promise<{ http: HttpUnderTest } & AsyncDisposable> {
  const http = await startHttp({ gatewayPods: 1, env: { RETRY_BASE_MS: '5', ...env } });
  const pod = await startPlainPod(http.gatewayPorts[0] as number, listener);
  return {
    http,
    async [Symbol.asyncDispose]() {
      await pod[Symbol.asyncDispose]();
      await http[Symbol.asyncDispose]();
    },
  };
}

test('a POST that was certainly not sent is sent when its pod is back', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { RETRY_BASE_MS: '5' } });
  const early = fetch(`${http.url}/app/${id}`, { method: 'POST', body: 'hello' });
  await using _pod = await startPlainPod(http.gatewayPorts[0] as number, (request, response) => {
    request.pipe(response);
  });
  assert.equal(await (await early).text(), 'hello');
});

test('an upload waits for its pod too, and loses no data meanwhile', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { RETRY_BASE_MS: '5' } });
  const upload = httpRequest(`${http.url}/app/${id}`, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } });
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
  const body = Buffer.alloc(400_000, 'abcdefg');
  upload.end(body);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await using _pod = await startPlainPod(http.gatewayPorts[0] as number, (request, response) => {
    request.pipe(response);
  });
  const [response] = await answered;
  assert.ok(body.equals(Buffer.concat((await response.toArray()) as Buffer[])));
});

test('a POST that may have arrived is sent once and gets 502; a GET, or a POST with a key, is retried', async () => {
  const seen: string[] = [];
  const failOnce: Listener = (request, response) => {
    seen.push(request.method as string);
    if (seen.length === 1) request.socket.resetAndDestroy();
    else response.end('again');
  };
  await using one = await startOne(failOnce);
  const url = `${one.http.url}/app/${id}`;
  const post = await fetch(url, { method: 'POST', body: 'x' });
  assert.equal(post.status, 502);
  assert.match(await post.text(), /may have been carried out/);
  assert.deepEqual(seen.splice(0), ['POST']);

  assert.equal(await (await fetch(url)).text(), 'again');
  assert.deepEqual(seen.splice(0), ['GET', 'GET']);
  const keyed = await fetch(url, { method: 'POST', body: 'x', headers: { 'idempotency-key': 'k' } });
  assert.equal(await keyed.text(), 'again');
  assert.deepEqual(seen.splice(0), ['POST', 'POST']);
});

test('a request that was sent once may have been executed, even if later attempts reach no pod', async () => {
  await using http = await startHttp({ gatewayPods: 1, env: { RETRY_BASE_MS: '5', REQUEST_TIMEOUT_MS: '500' } });
  let requests = 0;
  const pod = await startPlainPod(http.gatewayPorts[0] as number, (request) => {
    requests++;
    pod.close();
    request.socket.resetAndDestroy();
  });
  const headers = { 'idempotency-key': 'k' };
  const response = await fetch(`${http.url}/app/${id}`, { method: 'POST', body: 'x', headers });
  assert.equal(requests, 1);
  assert.equal(response.status, 502);
  assert.match(await response.text(), /may have been carried out/);
});

test('a pod gets the remaining time of its client', async () => {
  const env = { REQUEST_TIMEOUT_MS: '5000', INTERACTION_BUDGET_MS: '2000', STAND_IN_RESERVE_MS: '500' };
  const told: Record<string, number> = {};
  const note: Listener = (request, response) => {
    told[request.url as string] = Number(request.headers['guildway-deadline-ms']);
    request.resume().once('end', () => response.end('{}'));
  };
  await using one = await startOne(note, env);
  await fetch(`${one.http.url}/app/${id}/read`);
  await fetch(`${one.http.url}/app/${id}/stream`, { headers: { accept: 'text/event-stream' } });
  const body = JSON.stringify({ id: '1', type: 2, guild_id: id, data: { name: 'x' } });
  await fetch(`${one.http.url}/webhooks/discord`, { method: 'POST', headers: signedHeaders(body), body });
  const upgrade = connect(one.http.port, '127.0.0.1');
  upgrade.write(`GET /app/${id}/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
  await once(upgrade, 'data');
  upgrade.destroy();
  const within = (path: string, limitMs: number): void =>
    assert.ok((told[path] ?? 0) > 0 && (told[path] ?? 0) <= limitMs, `${path}: ${told[path]} ms of ${limitMs}`);
  within(`/app/${id}/read`, 5_000);
  within(`/app/${id}/stream`, 5_000);
  within(`/app/${id}/ws`, 5_000);
  // The rest of Discord's time is reserved for a stand-in.
  within('/webhooks/discord', 1_500);
});

test('an upload may take longer than a response', async () => {
  await using one = await startOne(
    (request, response) => {
      let length = 0;
      request.on('data', (chunk: Buffer) => {
        length += chunk.length;
      });
      request.on('end', () => response.end(String(length)));
    },
    { REQUEST_TIMEOUT_MS: '200' },
  );
  const upload = httpRequest(`${one.http.url}/app/${id}`, {
    method: 'POST',
    headers: { 'transfer-encoding': 'chunked' },
  });
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
  for (let i = 0; i < 5; i++) {
    upload.write('12345');
    await new Promise((resolve) => setTimeout(resolve, 80));
  }
  upload.end();
  const [response] = await answered;
  assert.equal(response.statusCode, 200);
  assert.equal(String(await response.toArray()), '25');
});

test('hundreds of open event streams do not block other requests', async () => {
  let open = 0;
  await using one = await startOne((request, response) => {
    if (!request.url?.endsWith('/events')) {
      response.end('quick');
      return;
    }
    open++;
    response.once('close', () => open--);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
  });
  const controller = new AbortController();
  const streams = await Promise.all(
    Array.from({ length: 300 }, () => fetch(`${one.http.url}/app/${id}/events`, { signal: controller.signal })),
  );
  assert.equal(open, 300);
  assert.equal(await (await fetch(`${one.http.url}/app/${id}`)).text(), 'quick');
  controller.abort();
  await until('the pod is told that the readers have left', () => open === 0);
  await Promise.all(streams.map((stream) => stream.text().catch(() => {})));
});

test('a client that disconnects before the response cancels its request', async () => {
  const arrived: (string | undefined)[] = [];
  let left = 0;
  await using one = await startOne((request) => {
    arrived.push(request.method);
    request.socket.once('close', () => left++);
  });
  const socket = connect(one.http.port, '127.0.0.1');
  socket.write(`GET /app/${id} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until('it arrives', () => arrived.length === 1);
  socket.destroy();
  await until('the pod is told', () => left === 1);
  // In the middle of a body that is buffered first: nothing of it reaches the pod.
  const half = connect(one.http.port, '127.0.0.1');
  half.write(`POST /app/${id} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello`);
  await once(half, 'ready');
  half.destroy();
  const next = new AbortController();
  const answer = fetch(`${one.http.url}/app/${id}`, { signal: next.signal }).catch(() => {});
  await until('the next one arrives', () => arrived.length > 1);
  next.abort();
  await answer;
  assert.deepEqual(arrived, ['GET', 'GET']);
});

test('an incomplete response is visibly incomplete', async () => {
  await using one = await startOne((_, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half', () => response.destroy());
  });
  await assert.rejects(async () => (await fetch(`${one.http.url}/app/${id}`)).text());
});

test('a redirect over plain HTTP is followed once; a 421 without our header is an ordinary response', async () => {
  await using http = await startHttp({ env: { RETRY_BASE_MS: '5' } });
  let pointBack = false;
  const seen: number[] = [];
  const listen = (ordinal: number, listener: Listener) =>
    startPlainPod(http.gatewayPorts[ordinal] as number, (request, response) => {
      seen.push(ordinal);
      listener(request, response);
    });
  await using _two = await listen(2, (request, response) => {
    if (request.url?.endsWith('/421')) response.writeHead(421).end('mine');
    else response.writeHead(421, { 'guildway-owner': '1', 'guildway-epoch': '7' }).end('not mine');
  });
  await using _one = await listen(1, (_, response) => {
    if (pointBack) response.writeHead(421, { 'guildway-owner': '2' }).end();
    else response.end('mine');
  });
  const followed = await fetch(`${http.url}/app/${id}`);
  assert.deepEqual([followed.headers.get('guildway-pod'), await followed.text()], ['1', 'mine']);
  const posted = await fetch(`${http.url}/app/${id}`, { method: 'POST', body: 'x' });
  assert.equal(await posted.text(), 'mine');
  const own = await fetch(`${http.url}/app/${id}/421`);
  assert.deepEqual([own.status, await own.text()], [421, 'mine']);
  pointBack = true;
  seen.length = 0;
  const looping = await fetch(`${http.url}/app/${id}`);
  assert.equal(looping.status, 502);
  assert.match(await looping.text(), /names pod 1, epoch 7.*md5\/3 epoch 1/);
  assert.deepEqual(seen, [2, 1]);
});

test('concurrent lookups of a name are merged; nothing is cached', async () => {
  const asked: string[] = [];
  const answers: (() => void)[] = [];
  const lookup = createSharedLookup(((
    hostname: string,
    _: LookupOptions,
    done: (error: null, address: string, family: number) => void,
  ) => {
    asked.push(hostname);
    answers.push(() => done(null, '127.0.0.1', 4));
  }) as unknown as Parameters<typeof createSharedLookup>[0]);
  const resolve = (name: string): Promise<unknown> =>
    new Promise((done) => (lookup as LookupFunction)(name, {}, (_, address) => done(address)));
  const first = [resolve('a'), resolve('a'), resolve('b')];
  assert.deepEqual(asked, ['a', 'b']);
  for (const answer of answers.splice(0)) answer();
  assert.deepEqual(await Promise.all(first), ['127.0.0.1', '127.0.0.1', '127.0.0.1']);
  const again = resolve('a');
  assert.deepEqual(asked, ['a', 'b', 'a']);
  answers.pop()?.();
  await again;
});

/** Whether written bytes have left within this time. */
async function drained(request: ClientRequest, withinMs: number): Promise<boolean> {
  const waiting = AbortSignal.timeout(withinMs);
  return once(request, 'drain', { signal: waiting }).then(
    () => true,
    () => false,
  );
}

let flat: HttpUnderTest;
before(async () => {
  flat = await startHttp({ gatewayPods: 1, env: { MAX_BODY_BYTES: String(256 << 20) } });
});
after(() => flat[Symbol.asyncDispose]());

/** The bytes of all referenced buffers in this process. */
function heldBytes(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

test('128 MiB pass in both directions without being buffered', async () => {
  const size = 128 << 20;
  await using _pod = await startPlainPod(flat.gatewayPorts[0] as number, (request, response) => {
    response.writeHead(200, { 'content-length': String(size) });
    request.pipe(response);
  });
  const chunk = Buffer.alloc(1 << 20, 'x');
  const upload = httpRequest(`${flat.url}/app/${id}`, {
    method: 'POST',
    headers: { 'content-length': String(size) },
    signal: AbortSignal.timeout(60_000),
  });
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>;
  // Client, HTTP pod and gateway pod are all in this process.
  const before = heldBytes();
  upload.write(chunk);
  const [response] = await answered;

  // The response is not read, so everything stops when all buffers in both directions are full, including the sockets'.
  let sent = chunk.length;
  let stuck = false;
  while (!stuck && sent < size) {
    if (!upload.write(chunk)) stuck = !(await drained(upload, 1_000));
    sent += chunk.length;
  }
  assert.ok(sent < size / 2, `${sent >> 20} MiB were taken from a client that reads nothing`);

  const uploading = (async () => {
    for (; sent < size; sent += chunk.length) if (!upload.write(chunk)) await once(upload, 'drain');
    upload.end();
  })();
  let received = 0;
  let mostHeld = 0;
  let measureAt = 0;
  for await (const part of response) {
    received += part.length;
    if (received < measureAt) continue;
    mostHeld = Math.max(mostHeld, heldBytes() - before);
    measureAt += size / 16;
  }
  await uploading;
  assert.equal(received, size);
  assert.ok(mostHeld < size / 2, `${mostHeld >> 20} MiB of ${size >> 20} were held`);
});
