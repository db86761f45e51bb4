// The log tells an operator why every webhook is rejected.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { signedHeaders, startHttp } from '../../../support/http-service.ts';

test('rejected signatures of Discord and Stripe are logged', async () => {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  await using http = await startHttp({ log, env: { STRIPE_WEBHOOK_SECRET: 'whsec_0123456789' } });
  const post = (path: string, headers: Record<string, string>) =>
    fetch(http.url + path, { method: 'POST', headers, body: '{"type":1}' });
  assert.equal((await post('/webhooks/discord', signedHeaders('{"type":2}'))).status, 401);
  assert.equal((await post('/webhooks/discord-events', signedHeaders('{"type":1}', '1700000000'))).status, 401);
  assert.equal((await post('/webhooks/stripe', { 'stripe-signature': 'nonsense' })).status, 400);
  const said = lines.join('');
  assert.match(said, /is DISCORD_PUBLIC_KEY this application's\?/);
  assert.match(said, /a Discord signature's time is too far from this pod's clock/);
  assert.match(said, /no Stripe signature, or a malformed one/);
});
