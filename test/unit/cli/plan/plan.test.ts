// What `guildway plan` reads, computes and says, on databases that pods have open, and through kubectl.
// Of src/cli/{style,option-values,kubectl}.ts, src/cli/plan/{plan,inventory,kubernetes}.ts.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  collisionsBetween,
  findDatabases,
  openDatabases,
  presentTopology,
} from '../../../../src/cli/plan/databases.ts';
import { planMove, targetTopology } from '../../../../src/cli/plan/move-plan.ts';
import { renderPlan } from '../../../../src/cli/plan/render-plan.ts';
import { openInventory } from '../../../../src/gateway/store/moving/inventory.ts';
import { rehearse } from '../../../../src/gateway/store/moving/rehearsal.ts';
import type { Store, StoreOptions } from '../../../../src/gateway/store/store.ts';
import { createTopology } from '../../../../src/routing/topology.ts';
import { records } from '../../../support/moving.ts';
import { openTestStore, silent, temporaryFolder } from '../../../support/store.ts';

const run = promisify(execFile);
const COMMAND = fileURLToPath(new URL('../../../../src/cli/index.ts', import.meta.url));
const GUILDS = Array.from({ length: 40 }, (_, n) => String(197038439483310086n + BigInt(n) * 4_194_304n));
const MIGRATION = `CREATE TABLE notes (id INTEGER PRIMARY KEY, guild_id TEXT NOT NULL, text TEXT NOT NULL);
  CREATE INDEX notes_by_guild ON notes (guild_id);
  CREATE TABLE words (note_id INTEGER NOT NULL REFERENCES notes, word TEXT)`;
const bot = {
  tables: ['notes', { name: 'words', guild: { via: 'notes', on: 'note_id' } }],
  migrations: [MIGRATION],
} satisfies StoreOptions['bot'];
const TWO = createTopology({ strategy: 'md5', pods: 2 });

/** A directory like that of a local cluster, whose pods keep their databases open. */
function openPods(folder: string, definition: StoreOptions['bot'] = bot, topology = TWO): (Store & Disposable)[] {
  return Array.from({ length: topology.pods }, (_, ordinal) => {
    mkdirSync(join(folder, `gateway-${ordinal}`));
    const path = join(folder, `gateway-${ordinal}`, 'guildway.sqlite3');
    const store = openTestStore(path, { bot: definition, topology, ordinal });
    store.connection.transaction('full', () => {
      const note = store.connection.sqlite.prepare('INSERT INTO notes (guild_id, text) VALUES (?, ?)');
      const word = store.connection.sqlite.prepare('INSERT INTO words VALUES (?, ?)');
      for (const guildId of GUILDS) {
        if (topology.ownerOf(guildId) === ordinal) word.run(note.run(guildId, 'hello').lastInsertRowid, 'hello');
      }
    });
    return store;
  });
}

function planFor(folder: string, pods: number, definition: StoreOptions['bot'] = bot) {
  const databases = openDatabases(findDatabases([folder]), definition);
  try {
    const from = presentTopology(databases);
    const to = targetTopology(from, { pods });
    return planMove({ pods: databases, from, to, collisions: collisionsBetween(databases, to) });
  } finally {
    for (const database of databases) database[Symbol.dispose]();
  }
}

test('a plan counts what leaves and arrives, with keys that rows of two pods have in common, while pods run', () => {
  using folder = temporaryFolder();
  const pods = openPods(folder.path);
  try {
    const plan = planFor(folder.path, 3);
    const expected = [0, 1, 2].map((pod) => {
      const to = createTopology({ strategy: 'md5', pods: 3 });
      const from = (guildId: string) => TWO.ownerOf(guildId) === pod;
      const then = (guildId: string) => to.ownerOf(guildId) === pod;
      return [
        GUILDS.filter((id) => from(id) && !then(id)).length,
        GUILDS.filter((id) => !from(id) && then(id)).length,
        GUILDS.filter((id) => from(id) && then(id)).length,
      ];
    });
    assert.deepEqual(
      plan.pods.map(({ leaves, arrives, stays }) => [leaves.guilds, arrives.guilds, stays.guilds]),
      expected,
    );
    assert.deepEqual([plan.total.guilds, plan.total.rows, plan.to.epoch], [40, 80, 2]);
    assert.equal(plan.moves.rows, plan.moves.guilds * 2);
    assert.deepEqual([plan.obstacles, plan.notes], [[], []]);
    const [collision] = plan.collisions;
    assert.deepEqual([collision?.table, collision?.pods, collision?.obstacle], ['notes', [0, 1], null]);
    const [md5, shards] = plan.strategies;
    assert.ok((md5?.nextShare ?? 0) > 0.6 && (shards?.nextShare ?? 1) < 0.4, 'md5 moves most, discord-shard a share');
    const text = renderPlan(plan);
    assert.match(text, /To {4}NUM_GATEWAY_PODS=3 ROUTING=md5 TOPOLOGY_EPOCH=2/);
    assert.match(text, new RegExp(`${plan.moves.guilds} of 40 guilds move .*about \\d+ s`));
    assert.match(text, /gateway-2 +0 +0 +\d+/);
    assert.match(text, /notes: \d+ rows of gateway-0 and gateway-1 have the same id \(1, 2, 3 …\)/);
    assert.equal(planFor(folder.path, 2).moves.guilds, 0);
    assert.match(renderPlan(planFor(folder.path, 2)), /No guild moves/);
  } finally {
    for (const pod of pods) pod.close();
  }
});

test('what holds a move is named: fixed keys, undeclared tables, other schemas; stray rows and a running move are noted', () => {
  using folder = temporaryFolder();
  const fixed = { ...bot, tables: [{ name: 'notes', keys: 'fixed' as const }, ...bot.tables.slice(1)] };
  for (const pod of openPods(folder.path)) {
    if (pod.incarnation > 0 && pod.botDatabases.full.get('SELECT 1 FROM notes WHERE id = 1') !== undefined) {
      pod.botDatabases.full.run("INSERT INTO notes (guild_id, text) VALUES ('not a guild', 'x')");
    }
    pod.close();
  }
  const one = new DatabaseSync(join(folder.path, 'gateway-1', 'guildway.sqlite3'));
  one.exec(`CREATE TABLE extra (x); ALTER TABLE notes ADD COLUMN more TEXT;
    INSERT INTO guildway_moving (id, chain, done, recovering, complete_to) VALUES (1,
      '[{"strategy":"md5","pods":2,"shards":null,"epoch":1},{"strategy":"md5","pods":3,"shards":null,"epoch":2}]', '[]', '[]', 1)`);
  one.close();
  const { obstacles, notes } = planFor(folder.path, 3, fixed);
  assert.match(obstacles.join('\n'), /does not declare the table extra: list it in `tables`/);
  assert.match(
    obstacles.join('\n'),
    /gateway-1 and gateway-0 have different schemas .*notes\.more exists there but not here/,
  );
  assert.match(obstacles.join('\n'), /notes: \d+ rows .* keys: 'fixed'/);
  assert.match(notes.join('\n'), /rows whose guild id no guild can have, such as "not a guild"/);
  assert.match(notes.join('\n'), /guilds of gateway-1 move already, to NUM_GATEWAY_PODS=3/);
});

test('guilds that are arriving or have left are counted once, where they are served', () => {
  using folder = temporaryFolder();
  const [zero, one] = openPods(folder.path) as [Store & Disposable, Store & Disposable];
  using _zero = zero;
  using _one = one;
  const guildId = GUILDS.find((id) => TWO.ownerOf(id) === 0) ?? '';
  one.mover.importGuilds([...zero.mover.exportGuilds([guildId])], records('arriving', [guildId]));
  assert.equal(planFor(folder.path, 3).total.guilds, 40);
});

test('the database of a bot that ran without Guildway is a plan for one pod', () => {
  using folder = temporaryFolder();
  const path = folder.file('bot.db');
  const sqlite = new DatabaseSync(path);
  sqlite.exec(MIGRATION);
  const note = sqlite.prepare('INSERT INTO notes (guild_id, text) VALUES (?, ?)');
  for (const guildId of GUILDS) note.run(guildId, 'hello');
  sqlite.close();
  const databases = openDatabases(findDatabases([path]), bot);
  const from = presentTopology(databases);
  const plan = planMove({ pods: databases, from, to: targetTopology(from, { pods: 3 }), collisions: [] });
  for (const database of databases) database[Symbol.dispose]();
  assert.deepEqual([plan.from.pods, plan.total.guilds, plan.pods[0]?.arrives.guilds], [1, 40, 0]);
  assert.ok(plan.moves.guilds > 15);
});

test('a rehearsal moves copies, compares every row, and says which guilds would be refused', () => {
  using folder = temporaryFolder();
  for (const pod of openPods(folder.path)) pod.close();
  const topology = createTopology({ strategy: 'md5', pods: 3, epoch: 2 });
  const files = findDatabases([folder.path]);
  const databases = new Map(files.map(({ pod, path }) => [pod, path]));
  const flows = files.flatMap(({ pod, path }) => {
    using opened = openInventory(path, bot);
    const byOwner = Map.groupBy(opened.inventory.guilds, ([guildId]) => topology.ownerOf(guildId));
    byOwner.delete(pod);
    return [...byOwner].map(([to, guilds]) => ({
      ...{ from: pod, to },
      guilds: guilds.map(([guildId, , bytes]) => ({ guildId, bytes })),
    }));
  });
  const moving = flows.reduce((sum, { guilds }) => sum + guilds.length, 0);
  const result = rehearse(flows, { databases, topology, bot, log: silent });
  assert.deepEqual([result.guilds, result.rows, result.differences, result.refused], [moving, 2 * moving, [], []]);
  assert.ok(result.renumbered > 0);
  assert.equal(planFor(folder.path, 3).moves.guilds, moving, 'the databases are as they were');
  const fixed = { ...bot, tables: [{ name: 'notes', keys: 'fixed' as const }, ...bot.tables.slice(1)] };
  const refused = rehearse(flows, { databases, topology, bot: fixed, log: silent });
  assert.match(refused.refused[0]?.reason ?? '', /notes has rows with the same key/);
});

test('wrong databases are refused with the way out', () => {
  using folder = temporaryFolder();
  for (const pod of openPods(folder.path)) pod.close();
  const zero = join(folder.path, 'gateway-0', 'guildway.sqlite3');
  const present = (...given: string[]) => {
    const databases = openDatabases(findDatabases(given), bot);
    try {
      return presentTopology(databases);
    } finally {
      for (const database of databases) database[Symbol.dispose]();
    }
  };
  writeFileSync(folder.file('text'), 'not a database, but long enough to be taken for one'.repeat(40));
  mkdirSync(folder.file('empty'));
  for (const [given, message] of [
    [['/nowhere'], /--database \/nowhere: there is no \/nowhere/],
    [[folder.file('empty')], /the directory has no gateway-0\/guildway\.sqlite3: name the files/],
    [[`gateway-0=${zero}`, `gateway-0=${zero}`], /gateway-0 is given twice/],
    [[`gateway-1=${zero}`], /is the database of gateway-0, not of gateway-1/],
    [[zero], /database of gateway-1 is not given: pass --database gateway-1=path/],
    [[folder.file('text')], /text cannot be read as a database/],
  ] as const) {
    assert.throws(() => present(...given), message);
  }
  assert.throws(
    () => openDatabases(findDatabases([folder.path]), { tables: ['cases'] }),
    /gateway-0 \(.*\): the bot declares the table cases.* Name the bot that wrote this database with --bot/,
  );
});

test('guildway plan --kubernetes reads each database in its pod, and prints JSON', async () => {
  using folder = temporaryFolder();
  for (const pod of openPods(folder.path)) pod.close();
  const module = folder.file('bot.ts');
  const index = fileURLToPath(new URL('../../../../src/bot/index.ts', import.meta.url));
  writeFileSync(
    module,
    `import { defineBot } from '${index}'; export default defineBot({ name: 'notes', ...${JSON.stringify(bot)} });`,
  );
  // Stands for kubectl: runs the command in the place of the pod's container.
  writeFileSync(
    folder.file('kubectl'),
    `#!/bin/sh
[ "$1 $2 $3 $5 $6 $7 $8 $9" = "--namespace bots exec -c gateway -- node src/cli/index.js" ] || { echo "unexpected: $*" >&2; exit 1; }
DATABASE_PATH=${folder.path}/$4/guildway.sqlite3 BOT=${module} exec ${process.execPath} ${COMMAND} inventory`,
  );
  chmodSync(folder.file('kubectl'), 0o755);
  const env = { ...process.env, PATH: `${folder.path}:${process.env.PATH}` };
  const args = [COMMAND, 'plan', '--pods', '3', '--kubernetes', '-n', 'bots', '--json'];
  const { stdout, stderr } = await run(process.execPath, args, { env });
  const plan = JSON.parse(stdout) as ReturnType<typeof planMove>;
  assert.deepEqual([plan.total.guilds, plan.to.pods, stderr], [40, 3, '']);
  assert.match(plan.notes.join(), /with database files only/);
});
