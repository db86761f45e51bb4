import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FAULT_KINDS, type Fault, type PodRef, planFaults } from '../../../../testkit/chaos/schedule.ts';

const options = {
  seed: 7,
  lengthMs: 600_000,
  kinds: FAULT_KINDS,
  httpPods: 3,
  gatewayPods: 3,
  everyMs: 2_000,
} as const;
const name = (pod: PodRef): string => `${pod.type}-${pod.index}`;
const endOf = (fault: Fault): number => fault.atMs + ('durationMs' in fault ? fault.durationMs : 0);

describe('fault schedule', () => {
  test('the same seed gives the same schedule', () => {
    assert.deepEqual(planFaults(options), planFaults(options));
    assert.notDeepEqual(planFaults(options), planFaults({ ...options, seed: 8 }));
  });

  test('every kind and every pod has its turn', () => {
    const faults = planFaults(options);
    assert.deepEqual([...new Set(faults.map(({ kind }) => kind))].toSorted(), [...FAULT_KINDS].toSorted());
    const pods = new Set(faults.flatMap((fault) => ('pod' in fault ? [name(fault.pod)] : [])));
    assert.deepEqual([...pods].toSorted(), ['gateway-0', 'gateway-1', 'gateway-2', 'http-0', 'http-1', 'http-2']);
  });

  test('only the chosen kinds occur', () => {
    assert.deepEqual(new Set(planFaults({ ...options, kinds: ['cut'] }).map(({ kind }) => kind)), new Set(['cut']));
    assert.deepEqual(planFaults({ ...options, kinds: [] }), []);
  });

  test('a pod has one fault at a time, and one HTTP pod always has none', () => {
    for (let seed = 0; seed < 20; seed++) {
      const faults = planFaults({ ...options, seed }).filter((fault) => 'pod' in fault);
      for (const [at, fault] of faults.entries()) {
        const during = faults.slice(0, at).filter((other) => endOf(other) > fault.atMs);
        assert.ok(
          during.every((other) => name(other.pod) !== name(fault.pod)),
          `seed ${seed}: two faults of ${name(fault.pod)}`,
        );
        const away = new Set([fault, ...during].map(({ pod }) => name(pod)).filter((pod) => pod.startsWith('http')));
        assert.ok(away.size < options.httpPods, `seed ${seed}: no HTTP pod is left`);
      }
    }
  });
});
