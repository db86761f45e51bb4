import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCrossSite } from '../../../src/bot/cross-site.ts';

test("a request's host decides which origin is same-site", () => {
  const from = (origin: string) => new Request('https://bot.example/app/1', { method: 'POST', headers: { origin } });
  assert.equal(isCrossSite(from('https://bot.example')), false);
  assert.equal(isCrossSite(from('https://elsewhere.example')), true);
  assert.equal(isCrossSite(from('https://dashboard.example'), ['https://dashboard.example']), false);
  assert.equal(isCrossSite(new Request('https://bot.example/app/1')), false, 'no browser');
});
