// Pods that start for the first time agree without an operator, and never serve under different topologies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { Agreement } from '../../../../src/gateway/ownership/agreement.ts';
import type { PodTopology } from '../../../../src/gateway/ownership/pod-topology.ts';
import { fingerprintOf, type TopologyRecord } from '../../../../src/routing/topology.ts';

const md5 = (pods: number, epoch = 1): TopologyRecord => ({ strategy: 'md5', pods, shards: null, epoch });

/** Pods in memory. A pod's `disk` outlives its process. */
class Pods {
  readonly disks = new Map<number, PodTopology['placement']>();
  readonly running = new Map<number, Agreement>();
  readonly reasons = new Map<number, readonly string[]>();
  readonly #delay: () => Promise<unknown>;
  readonly #pauses = new Set<() => void>();

  constructor(delay: () => Promise<unknown> = () => turn()) {
    this.#delay = delay;
  }

  start(ordinal: number, given: TopologyRecord): void {
    this.stop(ordinal);
    const agreement: Agreement = new Agreement({
      own: { ordinal, given, placement: this.disks.get(ordinal) ?? null },
      ask: async (peer, own) => {
        await this.#delay();
        const other = this.running.get(peer);
        if (other === undefined) throw new Error('away');
        const answer = other.heard(own);
        await this.#delay();
        return answer;
      },
      claim: () => {
        const claim = { chain: [given] as const, state: 'claimed' as const };
        if (this.running.get(ordinal) === agreement) this.disks.set(ordinal, claim);
        return claim;
      },
      confirmed: false,
      // Only a change ends a pause, or the test: agreement needs no waiting.
      pause: (_ms, signal) =>
        new Promise((resolve) => {
          if (signal.aborted) resolve();
          signal.addEventListener('abort', () => resolve(), { once: true });
          this.#pauses.add(resolve);
        }),
    });
    this.running.set(ordinal, agreement);
    void this.#run(ordinal, agreement, given);
  }

  stop(ordinal: number): void {
    this.running.get(ordinal)?.stop();
    this.running.delete(ordinal);
  }

  /** Ends the current pauses. */
  wake(): void {
    for (const resume of this.#pauses) resume();
    this.#pauses.clear();
  }

  /** Fingerprints under which pods have been placed. */
  placedUnder(): string[] {
    const placed = [...this.disks.values()].filter((placement) => placement?.state === 'placed');
    return [...new Set(placed.map((placement) => fingerprintOf(placement?.chain[0] as TopologyRecord)))];
  }

  async #run(ordinal: number, agreement: Agreement, given: TopologyRecord): Promise<void> {
    const first = await agreement.round();
    if (first.kind === 'wait') this.reasons.set(ordinal, first.reasons);
    if (
      first.kind !== 'serve' &&
      first.kind !== 'join' &&
      !(await agreement.reached((reasons) => this.reasons.set(ordinal, reasons)))
    )
      return;
    if (this.running.get(ordinal) !== agreement) return;
    this.disks.set(ordinal, { chain: [given], state: 'placed' });
    agreement.placed(() => [given]);
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

const ORDERS = [
  ...[
    [0, 1, 2],
    [2, 1, 0],
    [1, 2, 0],
  ],
];

test('a first start needs no operator: all serve once the last pod has arrived, in any order', async () => {
  for (const order of ORDERS) {
    const pods = new Pods();
    for (const ordinal of order.slice(0, -1)) pods.start(ordinal, md5(3));
    await turns(50);
    assert.deepEqual(pods.placedUnder(), []);
    const last = order.at(-1) as number;
    assert.match(String(pods.reasons.get(order[0] as number)), new RegExp(`waiting for gateway-${last}`));
    pods.start(last, md5(3));
    await turns(200);
    assert.deepEqual(
      [...pods.disks.values()].map((placement) => placement?.state),
      ['placed', 'placed', 'placed'],
    );
  }
});

test('a pod keeps its claim when it is restarted', async () => {
  const pods = new Pods();
  for (const ordinal of [0, 1, 2, 3, 4]) pods.start(ordinal, md5(5));
  // Pod 0 stops as soon as it has claimed, and returns with a smaller number that excludes pods 3 and 4.
  while (pods.disks.get(0)?.state !== 'claimed') await turn();
  pods.stop(0);
  await turns(200);
  assert.deepEqual(pods.disks.get(0), { chain: [md5(5)], state: 'claimed' });
  pods.start(0, md5(5));
  await turns(200);
  assert.deepEqual(pods.placedUnder(), ['md5/5']);
  assert.equal(pods.disks.get(0)?.state, 'placed');
});

const pods = fc.constantFrom(2, 3);
const pauseTurns = fc.nat(8);
const step = fc.oneof(
  fc.record({ kind: fc.constant('start' as const), ordinal: fc.nat(2), pods, turns: pauseTurns }),
  fc.record({ kind: fc.constant('start all' as const), pods, turns: pauseTurns }),
  fc.record({ kind: fc.constant('stop' as const), ordinal: fc.nat(2), turns: pauseTurns }),
);

test('for any settings, starts and stops, all serving pods serve under one topology', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 20 }),
      fc.array(fc.nat(4), { maxLength: 30 }),
      async (steps, delays) => {
        let at = 0;
        const system = new Pods(() => turns(delays[at++ % Math.max(1, delays.length)] ?? 1));
        const start = (ordinal: number, count: number): void => {
          const disk = system.disks.get(ordinal) ?? null;
          // The store refuses another topology than its database's before anybody is asked.
          if (ordinal < count && (disk === null || disk.chain[0].pods === count)) system.start(ordinal, md5(count));
        };
        for (const next of steps) {
          if (next.kind === 'stop') system.stop(next.ordinal);
          else if (next.kind === 'start') start(next.ordinal, next.pods);
          else for (let ordinal = 0; ordinal < next.pods; ordinal++) start(ordinal, next.pods);
          await turns(next.turns);
          system.wake();
          assert.ok(system.placedUnder().length <= 1, `placed under ${system.placedUnder()}`);
        }
        for (const ordinal of system.running.keys()) system.stop(ordinal);
        await turns(10);
      },
    ),
    { numRuns: 500 },
  );
});
