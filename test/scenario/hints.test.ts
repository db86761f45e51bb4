/** Requests that were stored for a long time. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MESSAGE } from '../../src/gateway/dispatch/messages.ts';
import { countHints, countRows } from '../../testkit/chaos/databases.ts';
import { assertDeferred, completion, type Scenario, startScenario, until } from './support.ts';

const HINTS = 10_000;
const RATE = 2_000;
/** The time limit for all of them on a busy machine. */
const PATIENCE_MS = 120_000;

/** Writes hints into the database of a stopped stand-in, as if they had been stored for an hour. */
function keep(scenario: Scenario, standIn: number, guilds: readonly string[]): void {
  const { interactions } = scenario.simulator;
  const [guildId] = guilds as readonly [string];
  const template = interactions.create({ kind: 'command', guildId, name: 'operation', options: { id: 'template' } });
  const now = Date.now();
  const database = new DatabaseSync(scenario.cluster.databasePath(standIn));
  const insert = database.prepare(
    `INSERT INTO guildway_hints
       (identity, guild_id, target, headers, body, body_hash, deferred, uncertain, stored_at, expires_at)
     VALUES (?, ?, '/webhooks/discord', '["content-type","application/json"]', ?, ?, 0, 0, ?, ?)`,
  );
  database.exec('BEGIN');
  for (let i = 0; i < HINTS; i++) {
    const id = String(BigInt(template.id) + BigInt(i + 1));
    const guild = guilds[i % guilds.length] as string;
    const options = [{ name: 'id', type: 3, value: `kept-${i}` }];
    const payload = {
      ...template.payload,
      id,
      guild_id: guild,
      data: { ...(template.payload.data as object), options },
    };
    const body = Buffer.from(JSON.stringify(payload));
    insert.run(`interaction:${id}`, guild, body, `hash-${i}`, now - 3_600_000, now + 600_000);
  }
  database.exec('COMMIT');
  database.close();
}

/** 10,000 commits wait for the disk; the test uses one in memory if there is one. */
const MEMORY = '/dev/shm';

describe('hints', () => {
  let scenario: Scenario;
  const directory = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'guildway-hints-'));
  before(async () => {
    scenario = await startScenario({ directory, guilds: 60, env: { HINT_RATE_PER_SECOND: String(RATE) } });
  });
  after(async () => {
    await scenario[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  test('an owner that was away for long gets 10,000 hints at a bounded rate, and serves other requests meanwhile', async () => {
    const guilds = Array.from({ length: 10 }, (_, nth) => scenario.guildOf(1, nth));
    await scenario.gateway(2).stop();
    keep(scenario, 2, guilds);
    const path = scenario.cluster.databasePath(1);
    const startedAt = performance.now();
    await scenario.gateway(2).start();
    await until('delivery has begun', () => countRows(path) > 0);

    // Live traffic of the same guilds, while the rate is watched. Behind the hints it would wait for longer than its budget, and be
    // deferred.
    let mostPerSecond = 0;
    // Counting takes time too: a window spans from before its first count to after its last.
    const count = () => ({ from: performance.now(), rows: countRows(path), to: performance.now() });
    let last = count();
    for (let live = 0; ; live++) {
      const result = await scenario.operate(guilds[live % guilds.length] as string, `live-${live}`);
      assert.equal(result.outcome, 'answered', result.problem ?? '');
      const now = count();
      if (now.to - last.from > 500) {
        mostPerSecond = Math.max(mostPerSecond, ((now.rows - last.rows) * 1_000) / (now.to - last.from));
        last = now;
      }
      if (now.rows >= HINTS + live + 1) break;
      assert.ok(now.to - startedAt < PATIENCE_MS, `${now.rows} of ${HINTS} after ${PATIENCE_MS} ms`);
      await sleep(50);
    }
    await scenario.hintsDrained(PATIENCE_MS);
    assert.ok(mostPerSecond < RATE * 1.3, `${Math.round(mostPerSecond)} a second`);
    const kept = scenario.rows().filter(({ operation }) => operation.startsWith('kept-'));
    assert.equal(kept.length, HINTS);
    assert.equal(new Set(kept.map(({ operation }) => operation)).size, HINTS);
    assert.deepEqual(new Set(kept.map(({ pod }) => pod)), new Set([1]));
  });

  test('a hint older than its token is reported as not done, and never executed', async () => {
    await scenario.gateway(1).kill();
    const result = await scenario.operate(scenario.guildOf(1), 'expired');
    assertDeferred(result);
    const holder = [0, 2].find((ordinal) => countHints(scenario.cluster.databasePath(ordinal)) === 1);
    assert.ok(holder !== undefined, 'no pod keeps it');
    await scenario.gateway(holder).stop();
    const database = new DatabaseSync(scenario.cluster.databasePath(holder));
    database.prepare('UPDATE guildway_hints SET expires_at = ?').run(Date.now() + 500);
    database.close();
    await scenario.gateway(holder).start();
    const said = await completion(result);
    assert.ok(said === MESSAGE.expired || said === MESSAGE.expiredUncertain, said);
    await scenario.hintsDrained();
    await scenario.gateway(1).start();
    const next = await scenario.operate(scenario.guildOf(1), 'after-expiry');
    assert.equal(next.outcome, 'answered');
    assert.deepEqual(scenario.rowsOf('expired'), []);
  });
});
