import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownTopologies } from '../../../../src/http/outbound/known-topologies.ts';
import {
  createTopology,
  parseTopologyText,
  type TopologyRecord,
  topologyText,
} from '../../../../src/routing/topology.ts';

const read = (text: string): TopologyRecord => parseTopologyText(text) ?? assert.fail(text);
const chainOf = (first: string, ...rest: string[]) => [read(first), ...rest.map(read)] as const;

/** Knows `text` from its environment. */
function knows(text: string): KnownTopologies {
  const { strategy, pods, epoch } = read(text);
  return new KnownTopologies(createTopology({ strategy, pods, epoch }));
}
const stateOf = (known: KnownTopologies) => [topologyText(known.newest), known.pods, known.isMoving];

test('a newer epoch wins, an older one never does, and the same epoch with another topology is a conflict', () => {
  const known = knows('md5/3@2');
  assert.equal(known.learn(read('md5/3@2')), 'known');
  assert.equal(known.learn(read('md5/5@1')), 'known');
  assert.equal(known.learn(read('md5/5@2')), 'conflict');
  assert.deepEqual(stateOf(known), ['md5/3@2', 3, false]);
  assert.equal(known.learn(read('md5/5@3')), 'new');
  assert.deepEqual(stateOf(known), ['md5/5@3', 5, true]);
  assert.equal(known.newest.ownerOf('197038439483310086'), 4);
  assert.equal(known.learn(read('md5/3@2')), 'known');
  assert.deepEqual(stateOf(known), ['md5/5@3', 5, true]);
});

test('pods of older topologies stay until a gateway pod knows only the newest one', () => {
  const known = knows('md5/5@1');
  known.learn(read('md5/3@2'));
  assert.deepEqual(stateOf(known), ['md5/3@2', 5, true]);
  assert.equal(known.learnChain(chainOf('md5/5@1', 'md5/3@2')), 'known');
  assert.deepEqual(stateOf(known), ['md5/3@2', 5, true]);
  // A pod that does not know the newest topology says nothing about its end.
  known.learnChain(chainOf('md5/5@1'));
  assert.deepEqual(stateOf(known), ['md5/3@2', 5, true]);
  known.learnChain(chainOf('md5/3@2'));
  assert.deepEqual(stateOf(known), ['md5/3@2', 3, false]);
  // Another pod that does not know the end yet does not bring them back.
  known.learnChain(chainOf('md5/5@1', 'md5/3@2'));
  known.learnChain(chainOf('md5/5@1'));
  assert.deepEqual(stateOf(known), ['md5/3@2', 3, false]);
  known.learnChain(chainOf('md5/3@2', 'md5/6@3'));
  assert.deepEqual(stateOf(known), ['md5/6@3', 6, true]);
});

test('a pod that starts while guilds move knows the pods that it was not told of', () => {
  const fresh = knows('md5/3@2');
  fresh.learnChain(chainOf('md5/7@1', 'md5/3@2'));
  assert.deepEqual(stateOf(fresh), ['md5/3@2', 7, true]);
  const behind = knows('md5/3@1');
  behind.learnChain(chainOf('md5/3@1', 'md5/7@2', 'md5/4@3'));
  assert.deepEqual(stateOf(behind), ['md5/4@3', 7, true]);
  assert.equal(behind.learnChain(chainOf('md5/7@2', 'md5/5@3')), 'conflict');
  assert.deepEqual(stateOf(behind), ['md5/4@3', 7, true]);
});

test('a number that the gateway pods have not agreed on yet is not used until they have', () => {
  const known = knows('md5/5@2');
  assert.equal(known.learn(read('md5/3@1')), 'new');
  assert.deepEqual(stateOf(known), ['md5/3@1', 3, false]);
  assert.equal(known.learnChain(chainOf('md5/3@1', 'md5/5@2')), 'new');
  assert.deepEqual(stateOf(known), ['md5/5@2', 5, true]);
  assert.equal(known.learn(read('md5/3@1')), 'known');
  assert.deepEqual(stateOf(known), ['md5/5@2', 5, true]);
});
