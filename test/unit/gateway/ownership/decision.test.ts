// Whether a gateway pod may serve, given its rows and the other pods' reports. Every guild must have one writer.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type DecisionInput, decide, type PeerAnswer } from '../../../../src/gateway/ownership/decision.ts';
import type { PodTopology } from '../../../../src/gateway/ownership/pod-topology.ts';
import type { Chain } from '../../../../src/moving/state.ts';
import type { TopologyRecord } from '../../../../src/routing/topology.ts';

const md5 = (pods: number, epoch = 1): TopologyRecord => ({ strategy: 'md5', pods, shards: null, epoch });
const byShard = (pods: number, shards: number, epoch = 1): TopologyRecord => ({
  ...{ strategy: 'discord-shard', pods, shards, epoch },
});

/** A pod with an empty database. */
const empty = (ordinal: number, given: TopologyRecord): PodTopology => ({ ordinal, given, placement: null });
const claimed = (ordinal: number, given: TopologyRecord): PodTopology => ({
  ...{ ordinal, given, placement: { state: 'claimed', chain: [given] } },
});
/** A pod whose rows were placed under `topology`. */
const placed = (ordinal: number, under: TopologyRecord | Chain, given?: TopologyRecord): PodTopology => {
  const chain: Chain = 'epoch' in under ? [under] : under;
  return { ordinal, given: given ?? chain[0], placement: { state: 'placed', chain } };
};

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
  test('joins the pods with rows, also before they know its topology', () => {
    const rows = [0, 1, 2].map((ordinal) => placed(ordinal, md5(3), md5(5, 2)));
    const moving = [0, 1, 2].map((ordinal) => placed(ordinal, [md5(3), md5(5, 2)], md5(5, 2)));
    for (const ordinal of [3, 4]) {
      const other = empty(7 - ordinal, md5(5, 2));
      const own = empty(ordinal, md5(5, 2));
      assert.deepEqual(decision(own, [...rows, other]), { kind: 'join', chain: [md5(3)] });
      // Also when those pods still run under the old number.
      const old = [0, 1, 2].map((peer) => placed(peer, md5(3)));
      assert.deepEqual(decision(own, [...old, other]), { kind: 'join', chain: [md5(3)] });
      assert.deepEqual(decision(own, [...moving, other]), { kind: 'join', chain: [md5(3), md5(5, 2)] });
      // One pod that knows it is enough: the others are asked when this pod has joined.
      assert.deepEqual(decision(own, [...rows.slice(1), moving[0] as PodTopology]), {
        ...{ kind: 'join', chain: [md5(3), md5(5, 2)] },
      });
      assert.equal(kind(own, [moving[0] as PodTopology, 1, 2, other]), 'join');
    }
  });

  test('waits when the number was changed without its epoch, and says what to set', () => {
    const rows = [0, 1, 2].map((ordinal) => placed(ordinal, md5(3), md5(5)));
    assert.match(
      why(empty(3, md5(5)), [...rows, empty(4, md5(5))]),
      /gateway-0, gateway-1 and gateway-2 were placed under NUM_GATEWAY_PODS=3 .* larger TOPOLOGY_EPOCH/,
    );
  });

  test('waits as long as a pod has not answered, and says for which, why, and what an operator can do', () => {
    const text = why(empty(0, md5(3)), [empty(1, md5(3)), 2]);
    assert.match(text, /^waiting for gateway-2: .*gateway-2: connect ECONNREFUSED.*set TOPOLOGY_CONFIRMED=md5\/3$/);
    assert.match(why(empty(0, md5(3)), []), /waiting for gateway-1 and gateway-2: .*not asked yet/);
    assert.match(why(claimed(0, md5(3)), [claimed(1, md5(3)), 2]), /waiting for gateway-2/);
  });

  test('serves without the missing pods when an operator has confirmed the topology', () => {
    assert.equal(kind(empty(0, md5(3)), [empty(1, md5(3)), 2], true), 'claim');
    assert.equal(kind(claimed(0, md5(3)), [claimed(1, md5(3)), 2], true), 'serve');
  });

  test('claims when all others have the same setting, and serves when all have claimed it', () => {
    assert.equal(kind(empty(0, md5(3)), [empty(1, md5(3)), empty(2, md5(3))]), 'claim');
    assert.equal(kind(empty(0, md5(3)), [claimed(1, md5(3)), placed(2, md5(3))]), 'join');
    assert.match(why(claimed(0, md5(3)), [empty(1, md5(3)), claimed(2, md5(3))]), /agreeing/);
    assert.equal(kind(claimed(0, md5(3)), [claimed(1, md5(3)), claimed(2, md5(3))]), 'serve');
    assert.equal(kind(claimed(0, md5(3)), [claimed(1, md5(3)), placed(2, md5(3))]), 'serve');
  });

  test('waits while pods without rows have different settings', () => {
    assert.match(why(empty(0, md5(3)), [empty(1, md5(3)), empty(2, md5(5))]), /gateway-2 was given NUM_GATEWAY_PODS=5/);
    const shards = byShard(3, 8);
    assert.match(why(empty(0, md5(3)), [empty(1, shards), claimed(2, shards)]), /gateway-1 and gateway-2 were given/);
  });

  test('whose volume was lost joins the others, and asks them what it had', () => {
    assert.equal(kind(empty(1, md5(3)), [placed(0, md5(3)), placed(2, md5(3))]), 'join');
    assert.equal(kind(claimed(1, md5(3)), [placed(0, md5(3)), placed(2, md5(3))]), 'serve');
    // Guilds are moving already: its claim is of the topology in force.
    assert.equal(kind(claimed(1, md5(3)), [placed(0, [md5(3), md5(5, 2)]), placed(2, md5(3))]), 'serve');
    // Its number is older than theirs.
    assert.equal(kind(empty(1, md5(2)), [placed(0, md5(2, 4))]), 'join');
  });

  test('joins under a smaller number and another strategy, and beside one process that had every guild', () => {
    assert.deepEqual(decision(empty(1, md5(3, 2)), [placed(0, md5(5)), placed(2, md5(5))]), {
      ...{ kind: 'join', chain: [md5(5)] },
    });
    assert.equal(kind(empty(1, byShard(3, 8, 2)), [placed(0, md5(3)), 2]), 'join');
    assert.equal(kind(empty(1, byShard(2, 8, 2)), [placed(0, byShard(2, 4))]), 'join');
    assert.match(why(empty(1, md5(3)), [placed(0, md5(1)), empty(2, md5(3))]), /NUM_GATEWAY_PODS=1/);
    assert.equal(kind(empty(1, md5(3, 2)), [placed(0, md5(1)), empty(2, md5(3, 2))]), 'join');
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

  test('serves while guilds move to a newer one, and when its own number is older', () => {
    assert.equal(kind(placed(0, [md5(3), md5(5, 2)], md5(5, 2)), [placed(1, md5(3)), 2, 3, 4]), 'serve');
    assert.equal(kind(placed(0, md5(3), md5(5, 2)), [placed(1, [md5(3), md5(5, 2)]), 2]), 'serve');
    assert.equal(kind(placed(0, md5(5, 2), md5(3)), [placed(1, md5(5, 2)), 2]), 'serve');
    // The same number under one pod.
    assert.equal(kind(placed(0, md5(1), byShard(1, 4)), []), 'serve');
  });

  test('waits when the rows of another were placed under another topology of the same epoch', () => {
    assert.match(why(placed(3, md5(5, 2)), [placed(0, md5(3, 2)), 1, 2, 4]), /gateway-0.*NUM_GATEWAY_PODS=3/);
  });

  test('asks the others what they hold when a topology is in force that its volume does not know', () => {
    assert.equal(kind(placed(3, md5(5, 2)), [placed(0, md5(3, 3)), 1, 2, 4]), 'recover');
    assert.equal(kind(placed(3, md5(5, 2), md5(5, 4)), [placed(0, [md5(3, 3), md5(5, 4)]), 1, 2, 4]), 'recover');
    assert.equal(kind(placed(3, md5(5, 2)), [placed(0, [md5(5, 2), md5(3, 3)]), 1, 2, 4]), 'serve');
  });
});

test('only the first of many pods are named', () => {
  assert.match(
    why(empty(0, md5(100)), []),
    /waiting for gateway-1, gateway-2, gateway-3, gateway-4, gateway-5 and 94 more:/,
  );
});
