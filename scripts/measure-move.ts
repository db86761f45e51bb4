/**
 * Measures the pause of a large guild that moves between two databases on this machine: `node scripts/measure-move.ts 50000 1000` for 50,000
 * rows of 1,000 bytes. The pause has no network in it. docs/moving-guilds.md has results.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { readFaults } from '../src/gateway/faults.ts';
import { openStore, type Store } from '../src/gateway/store/store.ts';
import { initialState } from '../src/moving/state.ts';
import { createTopology } from '../src/routing/topology.ts';

const [, , rows = '50000', bytes = '1000'] = process.argv;
const GUILD = '1000000000000000001';
const topology = createTopology({ strategy: 'md5', pods: 2 });
const folder = mkdtempSync(join(tmpdir(), 'guildway-measure-'));

function open(ordinal: number): Store {
  const migrations = [
    `CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, guild_id TEXT NOT NULL, text TEXT NOT NULL);
     CREATE INDEX notes_by_guild ON notes (guild_id)`,
  ];
  return openStore({
    path: join(folder, `${ordinal}.sqlite3`),
    ...{ ordinal, topology, bot: { tables: ['notes'], migrations } },
    log: pino({ level: 'warn' }),
    faults: readFaults({}),
  }).take();
}

const [from, to] = [open(0), open(1)];
const state = initialState(0, topology.toRecord());
try {
  from.connection.transaction('full', () => {
    const insert = from.connection.sqlite.prepare('INSERT INTO notes (guild_id, text) VALUES (?, ?)');
    for (let i = 0; i < Number(rows); i++) insert.run(GUILD, `note ${i} `.padEnd(Number(bytes), `lorem ${i} ipsum `));
  });
  const started = performance.now();
  using copy = from.mover.copyLive(GUILD);
  using receiving = to.mover.receiveLive(GUILD);
  for (const chunk of copy.base()) receiving.apply(chunk);
  from.botDatabases.full.run("UPDATE notes SET text = 'written while it is copied' WHERE id <= 20");
  const pausedAt = performance.now();
  const last = copy.changes(true);
  const changedAt = performance.now();
  receiving.finish(last, { state, writes: [{ kind: 'record', guild: GUILD, record: { state: 'here', epoch: 1 } }] });
  const importedAt = performance.now();
  const moved = { state: 'moved', epoch: 1, to: 1, attempt: [1, 1], confirmed: false } as const;
  from.mover.removeLive(copy, { state, writes: [{ kind: 'record', guild: GUILD, record: moved }] });
  const endedAt = performance.now();
  const ms = (from: number, until: number): string => `${(until - from).toFixed(1)} ms`;
  console.table({
    'copy while served': ms(started, pausedAt),
    'last changes': ms(pausedAt, changedAt),
    'their import': ms(changedAt, importedAt),
    'giving away': ms(importedAt, endedAt),
    'pause, together': ms(pausedAt, endedAt),
  });
} finally {
  from.close();
  to.close();
  rmSync(folder, { recursive: true });
}
