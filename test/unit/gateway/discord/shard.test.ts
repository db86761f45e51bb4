import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { DiscordAPIError } from '@discordjs/rest';
import { closeMeaning, refusedToken } from '../../../../src/gateway/discord/close-codes.ts';
import { ShardSessions } from '../../../../src/gateway/discord/sessions.ts';
import { Shard } from '../../../../src/gateway/discord/shard.ts';
import { SHARD_TRANSITIONS, type ShardState } from '../../../../src/gateway/discord/shard-state.ts';
import { DEFAULT_TIMING } from '../../../../src/gateway/discord/timing.ts';
import { StateMachine } from '../../../../src/state-machine.ts';
import { MemorySessions } from '../../../support/discord-pod.ts';
import { silent } from '../../../support/store.ts';

test('close codes that reconnecting cannot fix stop the shard and name the variable; no other code does', () => {
  const named: Record<number, RegExp> = {
    4004: /DISCORD_TOKEN/,
    4010: /DISCORD_SHARDS/,
    4011: /DISCORD_SHARDS/,
    4012: /update Guildway/,
    4013: /intents/,
    4014: /intents/,
  };
  for (const [code, variable] of Object.entries(named)) {
    const meaning = closeMeaning(Number(code));
    assert.match(meaning.action === 'stop' ? meaning.remedy : '', variable, code);
  }
  for (const code of [1000, 4003, 4005, 4007]) assert.equal(closeMeaning(code).action, 'identify', String(code));
  for (const code of [1001, 1005, 1006, 4000, 4001, 4002, 4006, 4008, 4009, 4015, 4200])
    assert.equal(closeMeaning(code).action, 'resume', String(code));
});

test('only a 401 means that the token is invalid', () => {
  const answer = (status: number) =>
    new DiscordAPIError({ code: 0, message: 'x' }, 0, status, 'GET', 'http://127.0.0.1/', { files: [], body: {} });
  assert.match(refusedToken(answer(401)) ?? '', /DISCORD_TOKEN/);
  for (const error of [answer(400), answer(403), answer(404), answer(429), new Error('ECONNREFUSED')])
    assert.equal(refusedToken(error), null);
});

test('a shard changes its state only along the allowed transitions', () => {
  const states = Object.keys(SHARD_TRANSITIONS) as ShardState[];
  for (const from of states) {
    for (const to of states) {
      const machine = new StateMachine<ShardState>(from, SHARD_TRANSITIONS);
      const isAllowed = SHARD_TRANSITIONS[from].includes(to);
      assert.equal(machine.enter(to), isAllowed, `${from} to ${to}`);
      assert.equal(machine.current, isAllowed ? to : from);
    }
  }
});

test('a stopped shard never leaves its state, and a failed one is never ready again', () => {
  assert.deepEqual(SHARD_TRANSITIONS.stopped, []);
  assert.deepEqual(SHARD_TRANSITIONS.failed, ['stopped']);
  for (const [state, next] of Object.entries(SHARD_TRANSITIONS)) {
    if (state !== 'stopped') assert.ok(next.includes('stopped'), state);
  }
});

/** A shard with maximum waits, and its wait before the next connection. */
function shardOnAClock(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(Math, 'random', () => 1);
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const pass = (ms: number): void => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  const reconnects: string[] = [];
  const shard = new Shard({
    id: 0,
    sessions: new ShardSessions(new MemorySessions()),
    whenRoomy: () => Promise.resolve(),
    reconnect: (_shard, reason) => void reconnects.push(reason),
    gatewayUrl: () => 'ws://127.0.0.1',
    stopping: new AbortController().signal,
    timing: DEFAULT_TIMING,
    log: silent,
    sleep: async (ms) => pass(ms),
  });
  const connect = async (): Promise<number> => {
    const startedAt = now;
    await shard.session();
    return now - startedAt;
  };
  return { shard, connect, pass, reconnects };
}

test('the backoff between failing connections grows up to half a minute; a connection that lasted resets it', async (t) => {
  const { shard, connect, pass } = shardOnAClock(t);
  const waits: number[] = [];
  for (let i = 0; i < 9; i++) {
    waits.push(await connect());
    shard.closed(1006);
  }
  assert.deepEqual(waits, [0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  await connect();
  shard.identifying(null);
  shard.ready();
  shard.closed(1006);
  assert.equal(await connect(), 2_000, 'it was ready for a moment: Discord answers');
  shard.identifying(null);
  shard.ready();
  pass(60_000);
  shard.closed(1006);
  assert.equal(await connect(), 0);
});

test('a resume without a response is abandoned after 15 s; each event extends that', async (t) => {
  const { shard, connect, pass, reconnects } = shardOnAClock(t);
  await connect();
  assert.ok(shard.resuming());
  pass(14_900);
  shard.progressed();
  pass(14_900);
  assert.deepEqual([shard.state, reconnects.length], ['resuming', 0]);
  pass(100);
  assert.deepEqual([shard.state, reconnects.length], ['waiting', 1]);
  shard.closed(4200);
  assert.equal(shard.state, 'waiting');
});

test('a stopped shard never connects again, whatever is reported', async (t) => {
  const { shard, connect } = shardOnAClock(t);
  await connect();
  shard.stop();
  shard.closed(4004);
  shard.ready();
  assert.equal(shard.resuming(), false);
  assert.equal(shard.state, 'stopped');
  const never = Promise.resolve(shard.session()).then(() => 'connects');
  assert.equal(await Promise.race([never, turn('nothing')]), 'nothing');
});
