/** A share of `npm run fuzz -- requests`, from one seed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestFuzz } from './requests.ts';

test('whatever clients send, the bot sees only its own requests, and each client only its own responses', async () => {
  await using fuzz = await RequestFuzz.start();
  const { seen } = await fuzz.run({ seed: 20_150_513, runs: 400, seconds: 60 });
  assert.ok(
    (seen.served ?? 0) > 200 && (seen.refused ?? 0) > 100,
    `it met too little of either: ${JSON.stringify(seen)}`,
  );
});
