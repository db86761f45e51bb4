// Whether a gateway pod may serve, given its rows and the other pods' reports. Every guild must have one writer.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DecisionInput, decide, type PeerAnswer } from '../../../../src/gateway/ownership/decision.ts';
import type { PodTopology } from '../../../../src/gateway/ownership/pod-topology.ts';
import type { TopologyRecord } from '../../../../src/routing/topology.ts';

const md5 = (pods: number, epoch = 1): TopologyRecord => ({ strategy: 'md5', pods, shards: null, epoch });
const byShard = (pods: number, shards: number, epoch = 1): TopologyRecord => ({
  ...{ strategy: 'discord-shard', pods, shards, epoch },
});

/** A pod with an empty database. */
const empty = (ordinal: number, given: TopologyRecord): PodTopology => ({ ordinal, given, placement: null });
const claimed = (ordinal: number, given: TopologyRecord): PodTopology => ({
  ...{ ordinal, given, placement: { state: 'claimed', topology: given } },
});
/** A pod whose rows were placed under `topology`. */
const placed = (ordinal: number, topology: TopologyRecord, given = topology): PodTopology => ({
  ...{ ordinal, given, placement: { state: 'placed', topology } },
});

function decision(own: PodTopology, others: readonly (PodTopology | number)[], confirmed = false) {
  const peers = new Map<number, PeerAnswer>(
    others.map((other) =>
      typeof other === 'number' ? [other, { silent: 'connect ECONNREFUSED' }] : [other.ordinal, { said: other }],
    ),
  );
  const input: DecisionInput = { own, peers, confirmed };
  return decide(input);
}

const kind = (...args: Parameters<typeof decision>): string => decision(...args).kind;
/** The reason why a pod waits. */
function why(...args: Parameters<typeof decision>): string {
  const result = decision(...args);
  assert.equal(result.kind, 'wait');
  return 'reasons' in result ? result.reasons.join('\n') : '';
}

describe('a pod without rows', () => {
  test('waits when it joins a larger topology while rows are elsewhere, and names both topologies and the pods', () => {
    const rows = [0, 1, 2].map((ordinal) => placed(ordinal, md5(3), md5(5, 2)));
    for (const ordinal of [3, 4]) {
      const other = empty(7 - ordinal, md5(5, 2));
      assert.equal(
        why(empty(ordinal, md5(5, 2)), [...rows, other]).split(': it serves')[0],
        'the rows of gateway-0, gateway-1 and gateway-2 were placed under NUM_GATEWAY_PODS=3 ROUTING=md5 TOPOLOGY_EPOCH=1, but this pod was given NUM_GATEWAY_PODS=5 ROUTING=md5 TOPOLOGY_EPOCH=2',
      );
      // Also when those pods still run under the old number, and when the epoch was not changed.
      assert.match(why(empty(ordinal, md5(5, 2)), [0, 1, 2].map((peer) => placed(peer, md5(3))).concat(other)), /=3 /);
      assert.match(why(empty(ordinal, md5(5)), [0, 1, 2].map((peer) => placed(peer, md5(3))).concat(other)), /=3 /);
      // One pod with rows is enough, and an operator's confirmation does not outweigh it.
      assert.match(why(empty(ordinal, md5(5, 2)), [placed(0, md5(3)), 1, 2, other], true), /gateway-0 were placed/);
    }
  });

  test('waits until every pod has answered, and names the pod, the reason and the remedy', () => {
    const text = why(empty(0, md5(3)), [empty(1, md5(3)), 2]);
    assert.match(text, /^waiting for gateway-2: .*gateway-2: connect ECONNREFUSED.*set TOPOLOGY_CONFIRMED=md5\/3$/);
    assert.match(why(empty(0, md5(3)), []), /waiting for gateway-1 and gateway-2: .*not asked yet/);
    // Agreement of the others is not enough: the absent pod may have rows under another topology.
    assert.match(why(empty(0, md5(3)), [placed(1, md5(3)), 2]), /waiting for gateway-2/);
    assert.match(why(claimed(0, md5(3)), [claimed(1, md5(3)), 2]), /waiting for gateway-2/);
  });

  test('serves without the missing pods when an operator has confirmed the topology', () => {
    assert.equal(kind(empty(0, md5(3)), [empty(1, md5(3)), 2], true), 'claim');
    assert.equal(kind(claimed(0, md5(3)), [claimed(1, md5(3)), 2], true), 'serve');
  });

  test('claims when all others have the same setting, and serves when all have claimed it', () => {
    assert.equal(kind(empty(0, md5(3)), [empty(1, md5(3)), empty(2, md5(3))]), 'claim');
    assert.equal(kind(empty(0, md5(3)), [claimed(1, md5(3)), placed(2, md5(3))]), 'claim');
    assert.match(why(claimed(0, md5(3)), [empty(1, md5(3)), claimed(2, md5(3))]), /agreeing/);
    assert.equal(kind(claimed(0, md5(3)), [claimed(1, md5(3)), claimed(2, md5(3))]), 'serve');
    assert.equal(kind(claimed(0, md5(3)), [claimed(1, md5(3)), placed(2, md5(3))]), 'serve');
  });

  test('waits while pods without rows have different settings', () => {
    assert.match(why(empty(0, md5(3)), [empty(1, md5(3)), empty(2, md5(5))]), /gateway-2 was given NUM_GATEWAY_PODS=5/);
    const shards = byShard(3, 8);
    assert.match(why(empty(0, md5(3)), [empty(1, shards), claimed(2, shards)]), /gateway-1 and gateway-2 were given/);
  });

  test('serves again after losing its volume when the rows of all others were placed under its topology', () => {
    assert.equal(kind(empty(1, md5(3)), [placed(0, md5(3)), placed(2, md5(3))]), 'claim');
    assert.equal(kind(claimed(1, md5(3)), [placed(0, md5(3)), placed(2, md5(3))]), 'serve');
    // The others' rows decide, whatever their current settings are.
    assert.equal(kind(claimed(1, md5(3)), [placed(0, md5(3), md5(5, 2)), placed(2, md5(3))]), 'serve');
  });

  test('waits under a smaller number, another strategy, and an older epoch', () => {
    assert.match(
      why(empty(1, md5(3, 2)), [placed(0, md5(5)), placed(2, md5(5))]),
      /NUM_GATEWAY_PODS=5.*NUM_GATEWAY_PODS=3/,
    );
    assert.match(why(empty(1, byShard(3, 8, 2)), [placed(0, md5(3)), 2]), /ROUTING=md5.*ROUTING=discord-shard/);
    assert.match(why(empty(1, byShard(2, 8, 2)), [placed(0, byShard(2, 4))]), /DISCORD_SHARDS=4.*DISCORD_SHARDS=8/);
    assert.match(why(empty(1, md5(2)), [placed(0, md5(2, 4))]), /TOPOLOGY_EPOCH=4.*TOPOLOGY_EPOCH=1/);
    // A single process that had every guild, with two new pods beside it.
    assert.match(why(empty(1, md5(3)), [placed(0, md5(1)), empty(2, md5(3))]), /NUM_GATEWAY_PODS=1/);
  });
});

describe('a pod that has served under its topology', () => {
  test('serves, no matter which pods are away and how pods without rows are set', () => {
    assert.equal(kind(placed(0, md5(3)), [1, 2]), 'serve');
    assert.equal(kind(placed(0, md5(3)), [empty(1, md5(5, 2)), claimed(2, md5(5, 2))]), 'serve');
    assert.equal(kind(placed(0, md5(3)), [placed(1, md5(3), md5(5, 2)), placed(2, md5(3))]), 'serve');
    assert.equal(kind(placed(0, md5(1)), []), 'serve');
  });

  test('serves beside a pod whose rows were placed under an older topology', () => {
    assert.equal(kind(placed(0, md5(3, 2)), [placed(1, md5(5, 1)), 2]), 'serve');
  });

  test("waits when another pod's rows were placed under a newer topology, or it is unclear which is newer", () => {
    assert.match(why(placed(3, md5(5, 2)), [placed(0, md5(3, 3)), 1, 2, 4]), /gateway-0.*NUM_GATEWAY_PODS=3/);
    assert.match(why(placed(3, md5(5, 2)), [placed(0, md5(3, 2)), 1, 2, 4]), /gateway-0.*NUM_GATEWAY_PODS=3/);
    assert.match(why(placed(3, md5(5, 2)), [placed(0, md5(5, 4)), 1, 2, 4]), /gateway-0.*TOPOLOGY_EPOCH=4/);
  });
});

test('a pod with a higher epoch asks like one without rows: the topology has changed in between', () => {
  // An old volume from when there were five pods, after three pods continued without it.
  const back = placed(3, md5(5, 2), md5(5, 4));
  assert.match(why(back, [0, 1, 2, 4]), /waiting for gateway-0, gateway-1, gateway-2 and gateway-4/);
  assert.match(
    why(back, [0, 1, 2].map((peer) => placed(peer, md5(3, 3), md5(5, 4))).concat(back)),
    /NUM_GATEWAY_PODS=3/,
  );
  // A new epoch for the same topology.
  assert.equal(kind(placed(0, md5(2), md5(2, 2)), [placed(1, md5(2))]), 'serve');
  assert.equal(kind(placed(0, md5(2), md5(2, 2)), [placed(1, md5(2, 2))]), 'serve');
});

test('only the first of many pods are named', () => {
  assert.match(
    why(empty(0, md5(100)), []),
    /waiting for gateway-1, gateway-2, gateway-3, gateway-4, gateway-5 and 94 more:/,
  );
});
