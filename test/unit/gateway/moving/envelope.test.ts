// What two gateway pods send each other about moving guilds.
// Of src/protocol/json-values.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { errorCode } from '../../../../src/errors.ts';
import {
  decodeEnvelope,
  decodeReply,
  type Envelope,
  encodeEnvelope,
  encodeReply,
} from '../../../../src/gateway/moving/envelope.ts';
import { Senders } from '../../../../src/gateway/moving/senders.ts';
import type { Message } from '../../../../src/moving/messages.ts';

const GUILD = '102860784329052160';
const md5 = (pods: number, epoch: number) => ({ strategy: 'md5', pods, shards: null, epoch }) as const;
const news = { chain: [md5(3, 1), md5(5, 2)] as const, done: [[0, 2] as const] };
const messages: readonly Message[] = [
  { kind: 'offer', epoch: 2, attempt: [1, 2], guilds: [GUILD], again: false },
  { kind: 'stored', epoch: 2, attempt: [1, 2], guilds: [GUILD] },
  { kind: 'given', epoch: 2, attempt: [1, 2], guilds: [GUILD] },
  { kind: 'active', epoch: 2, guilds: [GUILD] },
  { kind: 'lost', epoch: 2, guilds: [GUILD] },
  { kind: 'gone', epoch: 2, guilds: [GUILD] },
  { kind: 'ask', epoch: 2, guilds: [GUILD] },
  { kind: 'kept', epoch: 2, guilds: [GUILD] },
  { kind: 'elsewhere', guilds: [{ guild: GUILD, epoch: 2 }] },
  { kind: 'news', news },
  { kind: 'recover' },
  { kind: 'held', news, guilds: [{ guild: GUILD, epoch: 2 }], gave: [] },
];

test('every message arrives as it was sent, with its chunks', () => {
  const chunks = [Buffer.from('one'), Buffer.alloc(0), Buffer.alloc(70_000, 7)];
  for (const content of [...messages, { guild: GUILD, attempt: [1, 2] as const, part: 3 }]) {
    const envelope: Envelope = { from: 2, process: 'p', content, chunks, events: { holding: 'h', recordedMs: 5 } };
    assert.deepEqual(decodeEnvelope(encodeEnvelope(envelope)), envelope);
  }
  const reply = { process: 'p', messages, refused: 'the schemas differ', holding: 'h' };
  assert.deepEqual(decodeReply(encodeReply(reply)), JSON.parse(JSON.stringify(reply)));
});

test('what is malformed is refused, whatever it is', () => {
  const whole = encodeEnvelope({
    from: 2,
    process: 'p',
    content: messages[0] as Message,
    chunks: [Buffer.from('rows')],
  });
  const refused = (bytes: Buffer): void =>
    assert.throws(
      () => decodeEnvelope(bytes),
      (error) => errorCode(error) === 'REQUEST_INVALID',
    );
  for (let length = 0; length < whole.length; length++) {
    const isEndOfPart = length === whole.length - 8;
    if (!isEndOfPart) refused(whole.subarray(0, length));
  }
  const withHead = (head: unknown): Buffer => {
    const text = Buffer.from(JSON.stringify(head));
    const size = Buffer.alloc(4);
    size.writeUInt32BE(text.length);
    return Buffer.concat([size, text]);
  };
  const head = { version: 1, from: 2, process: 'p' };
  const wrong: unknown[] = [
    null,
    { ...head, version: 2, content: messages[3] },
    { ...head, from: -1, content: messages[3] },
    { ...head, content: { kind: 'steal', epoch: 2, guilds: [] } },
    { ...head, content: { ...messages[0], guilds: ['../etc'] } },
    { ...head, content: { ...messages[0], guilds: GUILD } },
    { ...head, content: { ...messages[0], attempt: [1] } },
    { ...head, content: { ...messages[0], attempt: [1, -2] } },
    { ...head, content: { ...messages[3], epoch: '2' } },
    { ...head, content: { kind: 'elsewhere', guilds: [GUILD] } },
    { ...head, content: { kind: 'news', news: { ...news, chain: [] } } },
    { ...head, content: { kind: 'news', news: { ...news, chain: [{ ...md5(3, 1), pods: 0 }] } } },
    { ...head, content: { kind: 'news', news: { ...news, done: [[0]] } } },
    { ...head, content: { guild: '007', attempt: [1, 2], part: 0 } },
  ];
  for (const value of wrong) refused(withHead(value));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      refused(Buffer.from(bytes));
    }),
  );
  for (const text of [
    '',
    'null',
    '{}',
    '{"process":"p","messages":[{}],"refused":null}',
    '{"process":"p","messages":[],"refused":1}',
  ])
    assert.throws(() => decodeReply(Buffer.from(text)), { code: 'REQUEST_INVALID' });
});

test('after a pod was restored, nothing of its earlier processes is taken', () => {
  const senders = new Senders();
  assert.equal(senders.admits(1, 'a', false), true);
  // It was started again, and knows what it has sent.
  assert.equal(senders.admits(1, 'b', false), true);
  assert.equal(senders.admits(1, 'a', false), true);
  assert.equal(senders.admits(1, 'b', false), true);
  // Its volume was restored.
  assert.equal(senders.admits(1, 'c', true), true);
  assert.equal(senders.admits(1, 'c', true), true);
  for (const earlier of ['a', 'b']) assert.equal(senders.admits(1, earlier, false), false, earlier);
  assert.equal(senders.admits(1, 'c', false), true);
  assert.equal(senders.admits(2, 'a', false), true, 'another pod');
});

test('topologies that cannot exist are refused, so that they never reach the disk', () => {
  const taken = (chain: unknown): boolean => {
    const content = { kind: 'news', news: { chain, done: [] } } as unknown as Message;
    try {
      decodeEnvelope(encodeEnvelope({ from: 1, process: 'p', content, chunks: [] }));
      return true;
    } catch (error) {
      assert.equal(errorCode(error), 'REQUEST_INVALID');
      return false;
    }
  };
  const shards = { strategy: 'discord-shard', pods: 3, shards: 6, epoch: 2 };
  assert.ok(taken([md5(3, 1), shards]));
  const impossible = [
    { ...shards, shards: 2 },
    { ...shards, shards: null },
    { ...md5(3, 2), shards: 3 },
    md5(2 ** 40, 2),
    md5(0, 2),
    md5(3, 0),
  ];
  for (const topology of impossible) assert.ok(!taken([topology]), JSON.stringify(topology));
  assert.ok(!taken([md5(3, 2), md5(5, 2)]));
  assert.ok(!taken([md5(5, 3), md5(3, 2)]));
});
