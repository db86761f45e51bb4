/** The bot's responses to stored events. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { HintsSummary } from '../../src/gateway/hints/hints.ts';
import { assertDeferred, completion, type Scenario, startScenario, until } from './support.ts';

const BOT = fileURLToPath(new URL('../support/stripe-bot.ts', import.meta.url));
/** Whatever the bot does, an acknowledged event stays until it is done or an operator drops it. */
const REFUSALS = ['400', '401', '410', '421', '429', '503'];

describe('events stored for an owner', () => {
  let scenario: Scenario;
  let guildId: string;
  let secret: string;
  before(async () => {
    scenario = await startScenario({ bot: BOT, gatewayPods: 2, env: { REQUEST_TIMEOUT_MS: '1500' } });
    const secrets = readFileSync(join(scenario.cluster.directory, 'secrets.json'), 'utf8');
    secret = JSON.parse(secrets).stripeWebhookSecret;
    guildId = scenario.guildOf(1);
  });
  after(() => scenario[Symbol.asyncDispose]());

  /** Sends an event that was signed a minute ago, which Stripe's own tolerance allows. */
  async function sendEvent(id: string, behaviour: string, more: object = {}): Promise<number> {
    const body = JSON.stringify({ id, ...more, data: { object: { metadata: { guild_id: guildId, behaviour } } } });
    const at = Math.floor(Date.now() / 1_000) - 60;
    const mac = createHmac('sha256', secret).update(`${at}.${body}`).digest('hex');
    const response = await fetch(`${scenario.cluster.url}/webhooks/stripe`, {
      method: 'POST',
      body,
      // A client cannot claim that its event was verified.
      headers: { 'stripe-signature': `t=${at},v1=${mac}`, 'guildway-verified': 'discord' },
    });
    await response.body?.cancel();
    return response.status;
  }

  const hints = () => scenario.gateway(0).admin<HintsSummary>('/hints');
  const retrying = async () => (await hints()).owners.flatMap((owner) => owner.retrying);

  async function act(action: 'deliver' | 'drop', body: object) {
    const response = await fetch(`${scenario.gateway(0).adminUrl}/hints/${action}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  }

  test('an event that the bot rejects delays nothing, and is set aside', async () => {
    await scenario.gateway(1).kill();
    const events = [...REFUSALS, 'checks-the-age'].map((behaviour) => sendEvent(`evt_${behaviour}`, behaviour));
    for (const pending_webhooks of [2, 1])
      events.push(sendEvent('evt_trusted', 'trusts-the-edge', { pending_webhooks }));
    assert.deepEqual(await Promise.all(events), Array(9).fill(200), 'also the one that came with other bytes');
    const command = await scenario.operate(guildId, 'behind-them');
    assertDeferred(command);
    await scenario.gateway(1).start();

    assert.equal(await completion(command), 'done behind-them');
    assert.deepEqual(scenario.rowsOf('evt_trusted'), ['0@1'], 'delivered late as one that was verified at the edge');
    assert.equal(await sendEvent('evt_trusted', 'trusts-the-edge', { pending_webhooks: 0 }), 200);
    assert.deepEqual(scenario.rowsOf('evt_trusted'), ['0@1']);
    const all = [...REFUSALS, 'checks-the-age'].map((behaviour) => `stripe:evt_${behaviour}`).toSorted();
    const failing = await until('each was refused', async () => {
      const list = await retrying();
      return list.length === all.length && list;
    });
    assert.deepEqual(failing.map(({ identity }) => identity).toSorted(), all);
    for (const { identity, lastFailure } of failing) {
      const status = identity.replace('stripe:evt_', '').replace('checks-the-age', '400');
      assert.equal(lastFailure, `the bot answered ${status}`);
    }
  });

  test('set-aside events survive a restart, and an operator can list, redeliver or drop them', async () => {
    const standIn = scenario.gateway(0);
    await standIn.stop();
    // As if days had passed.
    const database = new DatabaseSync(scenario.cluster.databasePath(0));
    database.exec('UPDATE guildway_hints SET expires_at = stored_at');
    database.close();
    await standIn.start();
    await until('they are set aside', async () => (await hints()).setAside.count === REFUSALS.length + 1);
    await standIn.restart();
    const { count, setAside } = await hints();
    assert.deepEqual([count, setAside.count, setAside.entries.length], [0, 7, 7]);
    const metrics = await (await fetch(`${standIn.adminUrl}/metrics`)).text();
    assert.match(metrics, /^guildway_hints_set_aside 7$/m);

    assert.deepEqual(await act('drop', { identity: 'stripe:evt_410' }), { status: 200, body: { dropped: 1 } });
    const unknown = await act('deliver', { identity: 'stripe:evt_410' });
    assert.equal(unknown.status, 400);
    assert.match(String(unknown.body.error), /stripe:evt_410 is not set aside/);

    await (await fetch(`${scenario.cluster.url}/api/guilds/${guildId}/repair`, { method: 'POST' })).text();
    assert.deepEqual(await act('deliver', { all: true }), { status: 200, body: { delivering: 6 } });
    await scenario.hintsDrained();
    for (const behaviour of ['400', '401', '421', '429', '503', 'checks-the-age']) {
      assert.deepEqual(scenario.rowsOf(`evt_${behaviour}`), ['0@1'], behaviour);
    }
    assert.deepEqual(scenario.rowsOf('evt_410'), []);
  });
});
