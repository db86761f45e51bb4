import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkHistory, type Fate, type Operation, type Row } from '../../../../testkit/chaos/history.ts';

const ownerOf = (guildId: string): number => Number(guildId) % 3;
const operation = (fate: Fate, over: Partial<Operation> = {}): Operation => ({
  id: 'a',
  guildId: '4',
  via: 'interaction',
  steps: 1,
  fate,
  ...over,
});
const row = (over: Partial<Row> = {}): Row => ({ operation: 'a', guildId: '4', step: 0, pod: 1, ...over });

/** The problems of one operation, as a sorted list. */
function problems(operations: readonly Operation[], rows: readonly Row[]): string[] {
  return checkHistory(operations, rows, ownerOf)
    .findings.map(({ problem }) => problem)
    .toSorted();
}

describe('history check', () => {
  test('an acknowledged operation exists exactly once', () => {
    for (const fate of ['acknowledged', 'completed'] as const) {
      assert.deepEqual(problems([operation(fate)], [row()]), []);
      assert.deepEqual(problems([operation(fate)], []), ['lost']);
      assert.deepEqual(problems([operation(fate)], [row(), row()]), ['doubled']);
    }
  });

  test('an operation that was refused or reported as not done is absent', () => {
    for (const fate of ['refused', 'not-done'] as const) {
      assert.deepEqual(problems([operation(fate)], []), []);
      assert.deepEqual(problems([operation(fate)], [row()]), ['contradicted']);
    }
  });

  test('an operation with an unknown outcome exists at most once', () => {
    assert.deepEqual(problems([operation('unknown')], []), []);
    assert.deepEqual(problems([operation('unknown')], [row()]), []);
    assert.deepEqual(problems([operation('unknown')], [row(), row()]), ['doubled']);
  });

  test('a deferred operation must be completed or reported', () => {
    assert.deepEqual(problems([operation('unresolved')], []), ['lost']);
    assert.deepEqual(problems([operation('unresolved')], [row()]), ['unresolved']);
  });

  test('a row belongs to the pod that owns its guild, whatever the client was told', () => {
    assert.deepEqual(problems([operation('acknowledged')], [row({ pod: 2 })]), ['misplaced']);
    assert.deepEqual(problems([operation('unknown')], [row({ pod: 0 })]), ['misplaced']);
    assert.deepEqual(problems([operation('acknowledged')], [row(), row({ pod: 2 })]), ['doubled', 'misplaced']);
  });

  test('every step is checked separately', () => {
    const two = operation('acknowledged', { steps: 2 });
    assert.deepEqual(problems([two], [row(), row({ step: 1 })]), []);
    assert.deepEqual(problems([two], [row()]), ['lost']);
    assert.deepEqual(problems([two], [row(), row()]), ['doubled', 'lost']);
    assert.deepEqual(problems([operation('unknown', { steps: 2 })], [row({ step: 1 })]), []);
  });

  test('stray rows are found', () => {
    assert.deepEqual(problems([], [row()]), ['stray']);
    assert.deepEqual(problems([operation('unknown')], [row({ step: 1 })]), ['stray']);
    assert.deepEqual(problems([operation('unknown')], [row({ guildId: '7' })]), ['stray']);
  });

  test('a duplicate operation number is an error of the check, not of the system', () => {
    assert.throws(() => checkHistory([operation('unknown'), operation('refused')], [], ownerOf), /numbered a/);
  });

  test('the verdict counts outcomes and names errors', () => {
    const verdict = checkHistory(
      [operation('acknowledged'), operation('completed', { id: 'b' }), operation('unknown', { id: 'c' })],
      [row(), row({ operation: 'c' })],
      ownerOf,
    );
    assert.equal(verdict.clean, false);
    assert.deepEqual(verdict.fates, {
      acknowledged: 1,
      completed: 1,
      'not-done': 0,
      refused: 0,
      unknown: 1,
      unresolved: 0,
    });
    assert.equal(verdict.problems.lost, 1);
    assert.deepEqual(verdict.findings, [
      { problem: 'lost', operation: 'b', guildId: '4', via: 'interaction', fate: 'completed', owner: 1, rows: [] },
    ]);
  });
});
