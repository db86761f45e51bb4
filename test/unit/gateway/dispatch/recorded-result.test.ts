import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeResult, encodeResult } from '../../../../src/gateway/dispatch/recorded-result.ts';

const roundTrip = (value: unknown): unknown => decodeResult(encodeResult(value));

test('JSON values are recorded as JSON', () => {
  for (const value of [null, 1, 'text', [1, { a: 'b' }], { nested: [true, null] }]) {
    assert.equal(encodeResult(value), JSON.stringify(value));
    assert.deepEqual(roundTrip(value), value);
  }
  assert.equal(roundTrip(undefined), undefined);
  assert.equal(
    roundTrip(() => 1),
    undefined,
  );
});

test('integers beyond the safe range come back exactly, and no string is mistaken for one', () => {
  const row = { guild_id: 222_197_033_908_436_994n, points: 5, names: ['a', -(2n ** 63n)] };
  assert.deepEqual(roundTrip(row), row);
  assert.equal(roundTrip(10n), 10n);
  for (const text of ['\u0000n1', '\u0000s', '\u0000', 'a\u0000n1', '\u0000\u0000n1', '\\u0000n1', '"\\u0000']) {
    assert.equal(roundTrip(text), text);
    assert.deepEqual(roundTrip({ text, id: 1n }), { text, id: 1n });
  }
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      fc.bigInt(),
      fc.string({ unit: 'binary' }),
      fc.string().map((s) => `\u0000${s}`),
      fc.integer(),
      fc.array(tie('any'), { maxLength: 3 }),
    ),
  })).any;
  fc.assert(fc.property(value, (any) => assert.deepEqual(roundTrip(any), any)));
});

test('a result that cannot be recorded is rejected', () => {
  const circle: unknown[] = [];
  circle.push(circle);
  assert.throws(() => encodeResult(circle), TypeError);
  assert.throws(() => encodeResult(Promise.resolve(1)), /it must be synchronous/);
});
