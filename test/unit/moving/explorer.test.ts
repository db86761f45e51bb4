// Of src/moving/{new-owner,repeat}.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownerByTopology } from '../../../src/moving/authority.ts';
import { decideRequest, type RequestDecision } from '../../../src/moving/decide.ts';
import { beginParcel, forgetMoved, isLeaving } from '../../../src/moving/old-owner.ts';
import { receive } from '../../../src/moving/receive.ts';
import { beginRecovery } from '../../../src/moving/recovery.ts';
import { applyWrites, initialState } from '../../../src/moving/state.ts';
import { adoptTopology } from '../../../src/moving/topologies.ts';
import { explore, walk } from './explore.ts';
import { CHANGE_TWICE, GROW, SCENARIOS, withRestores } from './scenarios.ts';
import { type Fault, type Scenario, World } from './world.ts';

/** The share of `npm test`; `npm run explore` goes further. */
const STATES = 3_000;
const WALKS = 40;
const STEPS = 80;

for (const scenario of SCENARIOS) {
  test(`${scenario.name}: one pod serves a guild with every acknowledged write, whatever is lost, repeated, delayed or killed`, () => {
    const { broken } = explore(scenario, { depth: 7, states: STATES });
    assert.equal(broken, null);
  });

  test(`${scenario.name}: the move completes from any state that random events lead to`, () => {
    for (let seed = 1; seed <= WALKS; seed++) assert.equal(walk(scenario, seed, STEPS).broken, null, `seed ${seed}`);
  });
}

test('depending on its knowledge, a pod serves a request, holds it, or names the pod that knows more', () => {
  const one = { strategy: 'md5', pods: 1, shards: null, epoch: 1 } as const;
  const two = { strategy: 'md5', pods: 2, shards: null, epoch: 2 } as const;
  // Under md5 with two pods, gateway-1 owns this guild.
  const guild = '5';
  const state = initialState(0, one);
  const decide = (): RequestDecision => decideRequest(state, guild, ownerByTopology);
  assert.deepEqual(decide(), { kind: 'serve' });
  const adopted = adoptTopology(state, two);
  assert.ok('writes' in adopted);
  applyWrites(state, adopted.writes);
  assert.deepEqual(decide(), { kind: 'serve' });
  assert.ok(isLeaving(state, guild, ownerByTopology));
  applyWrites(state, beginParcel(state, [1, 1], [guild], ownerByTopology).writes);
  assert.deepEqual(decide(), { kind: 'wait' });
  const stored = { kind: 'stored', epoch: 2, attempt: [1, 1], guilds: [guild] } as const;
  applyWrites(state, receive(state, 1, stored, ownerByTopology).writes);
  assert.deepEqual(decide(), { kind: 'redirect', to: 1 });
  assert.match(
    String((adoptTopology(state, { ...two, pods: 3 }) as { refused: string }).refused),
    /epoch 2 has another topology: set TOPOLOGY_EPOCH to 3/,
  );
  applyWrites(state, beginRecovery(state, two).writes);
  assert.deepEqual(decide(), { kind: 'recovering' });
});

test('a new owner that loses its volume when the set-aside copies have expired serves its guilds with what is there', () => {
  const world = new World({ scenario: withRestores(GROW) });
  const happens = (name: string): void => {
    const event = world.events().find((possible) => possible.name === name);
    assert.ok(event, `${name} is impossible`);
    event.happen(world);
    world.check();
  };
  const move = ['offer from 0 to 1', 'stored from 1 to 0', 'given from 0 to 1', 'active from 1 to 0'];
  for (const name of ['write a at 0', 'adopt', 'move from 0', 'news of 0']) happens(name);
  for (const name of ['news from 0 to 1', ...move]) happens(`deliver ${name}`);
  happens('restore 1');
  happens('copies of 0 expire');
  happens('deliver recover from 1 to 0');
  happens('deliver held from 0 to 1');
  assert.equal(world.pods[1]?.state.records.get('a')?.state, 'awaiting');
  world.calm();
  assert.equal(world.pods[1]?.rows.has('a'), false);
});

test('a guild that was given away is forgotten when its topology is in force and its copy has expired, not before', () => {
  const world = new World({ scenario: GROW });
  const happens = (name: string): void => {
    const event = world.events().find((possible) => possible.name === name);
    assert.ok(event, `${name} is impossible`);
    event.happen(world);
  };
  for (const name of ['write a at 0', 'adopt', 'move from 0', 'news of 0', 'deliver news from 0 to 1']) happens(name);
  for (const name of ['offer from 0 to 1', 'stored from 1 to 0', 'given from 0 to 1', 'active from 1 to 0'])
    happens(`deliver ${name}`);
  const { state } = world.pods[0] as (typeof world.pods)[0];
  const forgotten = (hasCopy: boolean) => forgetMoved(state, ['a'], () => hasCopy).writes;
  assert.deepEqual(forgotten(false), []);
  world.calm();
  assert.deepEqual(forgotten(true), []);
  assert.deepEqual(forgotten(false), [{ kind: 'forget', guild: 'a' }]);
});

test('the explorer finds deliberately broken steps', () => {
  const faults: readonly (readonly [Fault, Scenario])[] = [
    ['active before the old owner has given the guild away', GROW],
    ['attempts are not told apart', GROW],
    ['records are forgotten by a restart', CHANGE_TWICE],
    ['done before the last guild has left', GROW],
    ['a copy of a served guild is not compared', GROW],
    ['a restored pod serves at once', withRestores(GROW)],
  ];
  for (const [fault, scenario] of faults) {
    let found = explore(scenario, { depth: 9, states: STATES }, fault).broken;
    for (let seed = 1; found === null && seed <= 400; seed++) found = walk(scenario, seed, STEPS, fault).broken;
    assert.notEqual(found, null, fault);
    assert.match(String(found?.why), /serve|does not forget/, fault);
  }
});
