import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { signPlainRequest, verifyPlainRequest } from '../../../src/link/auth.ts';
import { fullJitter } from '../../../src/link/backoff.ts';
import { FrameReader } from '../../../src/link/frame-reader.ts';
import { FRAME, FRAME_HEADER, type Frame, parseRequest, parseResponse } from '../../../src/link/frames.ts';
import { parseClientHello, parseServerHello, sameProof } from '../../../src/link/handshake.ts';
import { after, asWallTime } from '../../../src/time.ts';

function frameBytes(type: number, id: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER + payload.length);
  bytes.writeUInt32BE(bytes.length - 4, 0);
  bytes[4] = type;
  bytes.writeUInt32BE(id, 5);
  bytes.set(payload, FRAME_HEADER);
  return bytes;
}

/** Cuts bytes at the given places (taken modulo their length). */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...sorted]
    .map((from, i) => bytes.subarray(from, sorted[i] ?? bytes.length))
    .filter((part) => part.length > 0);
}

test('frames are read as they were written, wherever the stream is split', () => {
  const frames = fc.array(
    fc.record({ type: fc.integer({ min: 1, max: 255 }), id: fc.nat(), payload: fc.uint8Array({ maxLength: 300 }) }),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(frames, fc.array(fc.nat(), { maxLength: 30 }), (sent, places) => {
      const stream = Buffer.concat(sent.map(({ type, id, payload }) => frameBytes(type, id, payload)));
      const received: Frame[] = [];
      const reader = new FrameReader(1_000);
      for (const chunk of cut(stream, places)) reader.push(chunk, (frame) => received.push(frame));
      assert.deepEqual(
        received.map(({ type, id, bytes }) => ({ type, id, payload: Uint8Array.from(bytes.subarray(FRAME_HEADER)) })),
        sent.map(({ type, id, payload }) => ({ type, id, payload: Uint8Array.from(payload) })),
      );
    }),
  );
});

test('arbitrary bytes are frames or a protocol error, and at most one frame is buffered', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
      const reader = new FrameReader(500);
      try {
        for (const chunk of chunks) reader.push(Buffer.from(chunk), (frame) => assert.ok(frame.bytes.length <= 504));
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'LINK_PROTOCOL');
      }
    }),
  );
});

test('an arbitrary payload of a request, response or HELLO is decoded or is a protocol error', () => {
  const tolerated = (read: () => unknown): void => {
    try {
      read();
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'LINK_PROTOCOL', String(error));
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (payload) => {
      const bytes = frameBytes(FRAME.request, 1, payload);
      tolerated(() => {
        const { request } = parseRequest({ type: FRAME.request, id: 1, bytes });
        assert.equal(request.headers.length % 2, 0);
      });
      tolerated(() => {
        const { status, headers } = parseResponse({ type: FRAME.response, id: 1, bytes });
        assert.ok(status >= 200 && status <= 599 && headers.length % 2 === 0);
      });
      tolerated(() => parseClientHello(Buffer.from(payload)));
      tolerated(() => parseServerHello(Buffer.from(payload)));
    }),
    { numRuns: 2_000 },
  );
  fc.assert(fc.property(fc.json(), (json) => tolerated(() => parseClientHello(Buffer.from(json)))));
});

test('a HELLO with a missing or mistyped field is refused, naming the field', () => {
  const topology = { strategy: 'md5', pods: 3, shards: null, epoch: 1 };
  const client = { proof: 'a proof', name: 'http-0', topology };
  const server = { ordinal: 0, topology, manifest: { name: 'bot', routes: [], later: 1 }, heartbeatMs: 1 };
  const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
  assert.deepEqual(parseClientHello(bytes({ ...client, later: 1, topology: { ...topology, later: 1 } })), client);
  assert.deepEqual(parseServerHello(bytes({ ...server, later: 1 })), server);
  const shards = { ...topology, strategy: 'discord-shard', shards: 16 };
  assert.deepEqual(parseServerHello(bytes({ ...server, topology: shards })).topology, shards);

  const wrongTopologies = [
    ...[{ strategy: 'sha1' }, { pods: 0 }, { pods: 1.5 }, { pods: '3' }, { pods: 2 ** 53 }, { shards: 0 }],
    ...[{ shards: undefined }, { epoch: 0 }, { epoch: null }],
  ];
  const wrong = (parse: (bytes: Buffer) => unknown, hello: object, field: string) =>
    assert.throws(() => parse(bytes(hello)), {
      code: 'LINK_PROTOCOL',
      message: new RegExp(`of another shape: see its ${field}$`),
    });
  for (const [parse, hello] of [
    [parseClientHello, client],
    [parseServerHello, server],
  ] as const) {
    for (const field of Object.keys(hello)) {
      for (const value of [undefined, null, [], true]) wrong(parse, { ...hello, [field]: value }, field);
    }
    for (const part of wrongTopologies) {
      wrong(parse, { ...hello, topology: { ...topology, ...part } }, Object.keys(part)[0] as string);
    }
    for (const value of [null, [], 'text', 5]) wrong(parse, value as unknown as object, '\\w+');
  }
  wrong(parseClientHello, { ...client, name: 'x'.repeat(254) }, 'name');
  wrong(parseServerHello, { ...server, ordinal: -1 }, 'ordinal');
  wrong(parseServerHello, { ...server, heartbeatMs: 0 }, 'heartbeatMs');
  wrong(parseServerHello, { ...server, manifest: { name: 5 } }, 'manifest');
});

test('a proof for plain HTTP is valid for one pod, method and target, and for a few minutes', () => {
  const secret = 'the secret of the cluster';
  const now = asWallTime(1_700_000_000_000);
  const header = signPlainRequest(secret, 2, 'POST', '/app/1?x=1', [now]);
  assert.deepEqual(verifyPlainRequest(secret, header, 'POST', '/app/1?x=1', [after(now, 60_000)]), { dialled: 2 });
  assert.equal(verifyPlainRequest('another secret of 16', header, 'POST', '/app/1?x=1', [now]), null);
  assert.equal(verifyPlainRequest(secret, header, 'GET', '/app/1?x=1', [now]), null);
  assert.equal(verifyPlainRequest(secret, header, 'POST', '/app/1?x=2', [now]), null);
  assert.equal(verifyPlainRequest(secret, header, 'POST', '/app/1?x=1', [after(now, 6 * 60_000)]), null);
  assert.equal(
    verifyPlainRequest(secret, header, 'POST', '/app/1?x=1', [after(now, -6 * 60_000)]),
    null,
    'of the future',
  );
  assert.equal(verifyPlainRequest(secret, header.replace('v1;2', 'v1;1'), 'POST', '/app/1?x=1', [now]), null);
  const renewed = header.replace(`;${now};`, `;${now + 1_000};`);
  assert.equal(verifyPlainRequest(secret, renewed, 'POST', '/app/1?x=1', [now]), null, 'its time is part of it');
  for (const wrong of [undefined, '', 'v1', 'v1;2;3;4', header.slice(0, -1), `${header}0`]) {
    assert.equal(verifyPlainRequest(secret, wrong, 'POST', '/app/1?x=1', [now]), null);
  }
  // A pod whose clock was set while it ran sends both times, before and after. The receiving pod accepts both as well.
  const stepped = after(now, 600_000);
  const both = signPlainRequest(secret, 2, 'POST', '/app/1?x=1', [stepped, now]);
  for (const clocks of [[now], [stepped], [after(now, -600_000), now]]) {
    assert.deepEqual(verifyPlainRequest(secret, both, 'POST', '/app/1?x=1', clocks), { dialled: 2 });
  }
  assert.equal(verifyPlainRequest(secret, both, 'POST', '/app/1?x=1', [after(now, -600_000)]), null);
  assert.equal(verifyPlainRequest(secret, both.replace(`${stepped},`, ''), 'POST', '/app/1?x=1', [now]), null);
});

test('proofs are compared in full', () => {
  const proof = 'ab'.repeat(32);
  assert.ok(sameProof(proof, proof));
  for (const wrong of [undefined, null, 1, '', 'ab', proof.toUpperCase(), `${proof}ab`, [proof]])
    assert.ok(!sameProof(proof, wrong));
});

test('full jitter waits from nothing to twice as long each time, up to a cap', () => {
  assert.equal(
    fullJitter(0, 50, 1_000, () => 0),
    0,
  );
  assert.deepEqual(
    [0, 1, 2, 5, 99].map((attempt) => fullJitter(attempt, 50, 1_000, () => 0.5)),
    [25, 50, 100, 500, 500],
  );
});

test('frames with an invalid HTTP status or line breaks are rejected', () => {
  const frame = (type: number, fixed: Buffer, head: string): Frame => {
    const bytes = frameBytes(type, 1, Buffer.concat([fixed, Buffer.from(head, 'latin1')]));
    return { type, id: 1, bytes };
  };
  const response = (status: number, ...parts: string[]): Frame => {
    const head = parts.join('\0');
    const fixed = Buffer.alloc(8);
    fixed.writeUInt16BE(status, 0);
    fixed.writeUInt32BE(head.length, 2);
    fixed.writeUInt16BE(parts.length, 6);
    return frame(FRAME.response, fixed, head);
  };
  const request = (...parts: string[]): Frame => {
    const head = parts.join('\0');
    const fixed = Buffer.alloc(10);
    fixed.writeUInt32BE(head.length, 4);
    fixed.writeUInt16BE(parts.length, 8);
    return frame(FRAME.request, fixed, head);
  };
  assert.equal(parseResponse(response(200, 'x-a', 'caf\u00e9\t!')).status, 200);
  assert.equal(parseResponse(response(599)).status, 599);
  assert.equal(parseRequest(request('GET', '/', 'x-a', 'b')).request.headers[1], 'b');
  const refused = { code: 'LINK_PROTOCOL' };
  for (const status of [0, 100, 101, 199, 600, 999]) assert.throws(() => parseResponse(response(status)), refused);
  for (const text of ['a\rb', 'a\nb', 'a\r\nset-cookie: x', 'a\x7fb', 'a\x01b']) {
    assert.throws(() => parseResponse(response(200, 'x-a', text)), refused, JSON.stringify(text));
    assert.throws(() => parseRequest(request('GET', '/', 'x-a', text)), refused, JSON.stringify(text));
    assert.throws(() => parseRequest(request('GET', `/${text}`)), refused, JSON.stringify(text));
  }
});
