import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecentExecutions } from '../../../../src/gateway/dispatch/recent-executions.ts';

test('finds added entries until newer ones displace them', () => {
  const recent = new RecentExecutions<number>(4);
  for (let i = 0; i < 6; i++) {
    const entry = recent.add(`key ${i}`, 'hash', i);
    assert.ok(entry !== null);
    entry.running = false;
  }
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map((i) => recent.find(`key ${i}`)?.value),
    [undefined, undefined, 2, 3, 4, 5],
  );
});

test('a running execution is not evicted; when all are running, the next one is not remembered', () => {
  const recent = new RecentExecutions<number>(4);
  const entries = [0, 1, 2, 3].map((i) => recent.add(`key ${i}`, 'hash', i));
  assert.equal(recent.add('key 4', 'hash', 4), null);
  (entries[2] as { running: boolean }).running = false;
  assert.notEqual(recent.add('key 5', 'hash', 5), null);
  assert.deepEqual(
    [0, 1, 2, 3, 5].map((i) => recent.find(`key ${i}`)?.value),
    [0, 1, undefined, 3, 5],
  );
});

const command = fc.record({ action: fc.constantFrom('add', 'finish', 'delete', 'find'), key: fc.nat(12).map(String) });

test('it behaves like a list for any operations', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
      const recent = new RecentExecutions<string>(8);
      const entries = new Map<string, ReturnType<typeof recent.find>>();
      for (const { action, key } of commands) {
        const known = recent.find(key);
        assert.equal(known?.key ?? key, key);
        if (entries.get(key)?.running === true) assert.equal(known, entries.get(key), 'a running one stays');
        if (action === 'add' && known === null) entries.set(key, recent.add(key, 'hash', key));
        if (action === 'finish' && known !== null) known.running = false;
        if (action === 'delete' && known !== null) {
          recent.delete(known);
          recent.delete(known);
          entries.delete(key);
          assert.equal(recent.find(key), null);
        }
      }
    }),
  );
});
