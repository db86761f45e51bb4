/** A share of `npm run fuzz -- responses`, from one seed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResponseFuzz } from './responses.ts';

test('whatever bots and servers answer, the next response on a connection belongs to the next request', async () => {
  await using fuzz = await ResponseFuzz.start();
  const { seen } = await fuzz.run({ seed: 20_150_513, runs: 400, seconds: 60 });
  const { whole = 0, cut = 0, failed = 0 } = seen;
  assert.ok(whole > 80 && cut > 8 && failed > 20, `it met too little of each: ${JSON.stringify(seen)}`);
});
