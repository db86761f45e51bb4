// Buffered bodies: how much is held, and until when.
import assert from 'node:assert/strict';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { errorCode } from '../../../../src/errors.ts';
import { BodyReader } from '../../../../src/http/inbound/body.ts';
import { asMonotonicTime } from '../../../../src/time.ts';
import { until } from '../../../support/wait.ts';

const OTHER = { kind: 'other', pod: null, client: null } as const;

/** A server that reads bodies with `bodies`, and reports the outcome of each before it responds. */
async function startReader(bodies: BodyReader, limit: number) {
  const outcomes: (number | string | undefined)[] = [];
  let noted = (): void => {};
  let begun = Promise.withResolvers<void>();
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const declared = request.headers['content-length'];
    request.once('data', () => begun.resolve());
    bodies.read(request, response, declared === undefined ? null : Number(declared), limit, OTHER).then(
      (body) => {
        outcomes.push(body.length);
        response.end(String(body.length));
        noted();
      },
      (error: unknown) => {
        outcomes.push(errorCode(error));
        response.destroy();
        noted();
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    /** Starts a request that declares `length` bytes (null: chunked), and sends `sent` of them. */
    send(length: number | null, sent: number) {
      const headers = length === null ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(length) };
      const outgoing = httpRequest({ port, host: '127.0.0.1', method: 'POST', headers });
      outgoing.on('error', () => {});
      outgoing.on('response', (response) => response.resume());
      outgoing.write(Buffer.alloc(sent, 'x'));
      return outgoing;
    },
    /** Resolves when a part of a body has been read. */
    async begun() {
      await begun.promise;
      begun = Promise.withResolvers<void>();
    },
    async outcome(count: number) {
      while (outcomes.length < count) {
        await new Promise<void>((resolve) => {
          noted = resolve;
        });
      }
      return outcomes[count - 1];
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('a client that disconnects in the middle of its body releases its allowance', {
  timeout: 20_000,
}, async () => {
  await using reader = await startReader(new BodyReader(1_334), 900);
  for (let i = 1; i <= 3; i++) {
    const outgoing = reader.send(900, 600);
    await reader.begun();
    outgoing.destroy();
    assert.equal(await reader.outcome(i), 'CANCELLED');
  }
  reader.send(900, 900).end();
  assert.equal(await reader.outcome(4), 900);
});

test('a body is rejected at the first byte beyond its limit, with or without a declared length', async () => {
  await using reader = await startReader(new BodyReader(10_000), 900);
  reader.send(900, 900).end();
  assert.equal(await reader.outcome(1), 900);
  reader.send(null, 900).end();
  assert.equal(await reader.outcome(2), 900);
  reader.send(901, 1);
  assert.equal(await reader.outcome(3), 'BODY_TOO_LARGE', 'at once, by what it says');
  reader.send(null, 901);
  assert.equal(await reader.outcome(4), 'BODY_TOO_LARGE');
});

test('held bodies are bounded in total, including those read elsewhere, and released once', () => {
  const bodies = new BodyReader(1_000);
  const interaction = { kind: 'interaction', pod: null, client: null } as const;
  const release = bodies.hold(600, interaction);
  assert.throws(() => bodies.hold(401, interaction), { code: 'OVERLOADED' });
  const other = bodies.hold(400, interaction);
  release();
  assert.throws(() => bodies.hold(601, interaction), { code: 'OVERLOADED' });
  other();
  bodies.hold(1_000, interaction);
});

test('a quarter is reserved for interactions; bodies for one pod get half of the rest, those of one client a quarter', () => {
  const other = (pod: number | null, client: string | null) => ({ kind: 'other', pod, client }) as const;
  const bodies = new BodyReader(1_000);
  const full = { code: 'OVERLOADED' };
  const away = bodies.hold(375, other(0, null));
  assert.throws(() => bodies.hold(1, other(0, null)), full, 'for a pod that is away');
  const client = bodies.hold(187, other(null, '203.0.113.1'));
  assert.throws(() => bodies.hold(1, other(1, '203.0.113.1')), full, 'of one client');
  bodies.hold(188, other(1, '203.0.113.2'));
  assert.throws(() => bodies.hold(1, other(2, null)), full, 'of all but interactions');
  bodies.hold(250, { kind: 'interaction', pod: null, client: null });
  assert.throws(() => bodies.hold(1, { kind: 'interaction', pod: null, client: null }), full);
  away();
  client();
  bodies.hold(375, other(0, null));
  bodies.hold(187, other(null, '203.0.113.1'));
});

test('a slow body is dropped when another body needs its allowance', async () => {
  const bodies = new BodyReader(1_000);
  await using reader = await startReader(bodies, 900);
  reader.send(750, 749);
  await reader.begun();
  const interaction = { kind: 'interaction', pod: null, client: null } as const;
  const release = bodies.hold(251, interaction);
  release();
  // A body is timed by the monotonic clock; it is slow a second later.
  await until('it gives way', () => {
    try {
      bodies.hold(1_000, interaction)();
      return true;
    } catch {
      return false;
    }
  });
  assert.equal(await reader.outcome(1), 'OVERLOADED');
});

test('other bodies from an address take nothing from the allowance of its interactions', () => {
  const bodies = new BodyReader(1_000);
  const use = (kind: 'interaction' | 'other') => ({ kind, pod: null, client: '203.0.113.1' }) as const;
  bodies.hold(187, use('other'));
  assert.throws(() => bodies.hold(1, use('other')), { code: 'OVERLOADED' });
  bodies.hold(100, use('interaction'));
  bodies.hold(87, use('interaction'));
  // A client that only pretends to send interactions cannot use all of their reserve.
  assert.throws(() => bodies.hold(1, use('interaction')), { code: 'OVERLOADED' });
  bodies.hold(60, { kind: 'interaction', pod: null, client: '203.0.113.2' });
});

test('a body gives way after a second and not before, and never to its own remainder', async () => {
  let now = 0;
  const bodies = new BodyReader(1_000, () => asMonotonicTime(now));
  await using reader = await startReader(bodies, 900);
  const interaction = { kind: 'interaction', pod: null, client: null } as const;
  const first = reader.send(700, 699);
  await reader.begun();
  now = 999;
  assert.throws(() => bodies.hold(400, interaction), { code: 'OVERLOADED' });
  first.end('x');
  assert.equal(await reader.outcome(1), 700);

  const release = await until('the first is released', () => {
    try {
      return bodies.hold(400, interaction);
    } catch {
      return false;
    }
  });
  const second = reader.send(700, 500);
  await reader.begun();
  now = 10_000;
  second.end(Buffer.alloc(200));
  assert.equal(await reader.outcome(2), 'OVERLOADED');
  release();
});
