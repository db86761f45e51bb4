import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { openTunnel } from '../../../../src/http/outbound/tunnel.ts';
import { closeFrame, FrameBoundaries } from '../../../../src/http/outbound/websocket-frames.ts';

/** A frame with a payload of this length; masked if it is a client's. */
function frame(length: number, masked = false): Buffer {
  const mask = masked ? 0x80 : 0;
  const head =
    length < 126
      ? Buffer.from([0x82, mask | length])
      : length < 0x1_0000
        ? Buffer.from([0x82, mask | 126, length >> 8, length & 0xff])
        : Buffer.from([
            0x82,
            mask | 127,
            0,
            0,
            0,
            0,
            length >>> 24,
            (length >> 16) & 0xff,
            (length >> 8) & 0xff,
            length & 0xff,
          ]);
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0, 1), Buffer.alloc(length, 0x88)]);
}

const LENGTHS = [0, 1, 125, 126, 300, 65_535, 65_536, 70_000];

test('the end of a frame is found for every length encoding, however the bytes are split', () => {
  for (const masked of [false, true]) {
    const frames = LENGTHS.map((length) => frame(length, masked));
    const bytes = Buffer.concat(frames);
    const ends = frames.map((_, i) => Buffer.concat(frames.slice(0, i + 1)).length);
    for (const step of [1, 7, 1_000, bytes.length]) {
      const boundaries = new FrameBoundaries();
      const found: number[] = [];
      for (let at = 0; at < bytes.length; ) {
        at += boundaries.take(bytes.subarray(at, at + step), 'first');
        if (boundaries.between && found.at(-1) !== at) found.push(at);
      }
      assert.deepEqual(found, ends, `${step} bytes at once`);
    }
  }
});

/** One end of a connection: the written bytes, and a way to inject received ones. */
class End extends Duplex {
  readonly written: Buffer[] = [];
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.written.push(chunk);
    done();
  }
  get bytes(): string {
    return Buffer.concat(this.written).toString('hex');
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a client is told to reconnect between two frames and gets nothing after that', async () => {
  for (const sentBefore of [0, 3, 303]) {
    const [client, owner] = [new End(), new End()];
    const [first, second] = [frame(300), frame(5)];
    const tunnel = openTunnel(client, Buffer.from('from the client'), owner, first.subarray(0, sentBefore));
    await turn();
    tunnel.drain();
    owner.push(first.subarray(sentBefore));
    owner.push(second);
    await turn();
    const before = sentBefore === 0 ? Buffer.alloc(0) : first;
    assert.equal(client.bytes, Buffer.concat([before, closeFrame()]).toString('hex'), `${sentBefore} bytes before`);
    client.push('the answer');
    await turn();
    assert.equal(Buffer.concat(owner.written).toString(), 'from the clientthe answer', 'the owner learns of it');
  }
});
