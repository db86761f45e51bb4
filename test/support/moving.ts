import type { Recorded } from '../../src/gateway/store/moving/guild-mover.ts';
import type { Store, StoreOptions } from '../../src/gateway/store/store.ts';
import { type GuildRecord, initialState, type MovingState } from '../../src/moving/state.ts';
import { createTopology } from '../../src/routing/topology.ts';
import { openTestStore } from './store.ts';

const topology = createTopology({ strategy: 'md5', pods: 4 });

/** A store of one of four pods. */
export const openPod = (
  path: string,
  ordinal: number,
  bot: StoreOptions['bot'],
  overrides: Partial<StoreOptions> = {},
): Store & Disposable => openTestStore(path, { bot, topology, ordinal, ...overrides });

/** The state of a pod that has moved nothing. */
export const nothingMoved = (): MovingState => initialState(0, topology.toRecord());

/** The records of a step for guilds that move between this pod and pod 1. */
export const records = (state: GuildRecord['state'], guildIds: readonly string[], epoch = 1): Recorded => ({
  state: nothingMoved(),
  writes: guildIds.map((guild) => ({ kind: 'record', guild, record: recordOf(state, epoch) })),
});

export function recordOf(state: GuildRecord['state'], epoch = 1): GuildRecord {
  switch (state) {
    case 'arriving':
      return { state, epoch, from: 1, attempt: [3, 4] };
    case 'moved':
      return { state, epoch, to: 1, attempt: [3, 4], confirmed: false };
    case 'awaiting':
      return { state, epoch, from: 1 };
    case 'here':
      return { state, epoch };
  }
}

/** All three steps. */
export function move(from: Store, to: Store, guildIds: readonly string[]): ReturnType<Store['mover']['importGuilds']> {
  const chunks = [...from.mover.exportGuilds(guildIds)];
  const imported = to.mover.importGuilds(chunks, records('arriving', guildIds));
  from.mover.removeGuilds(chunks, records('moved', guildIds));
  return imported;
}

/** The guild that a killed process moves. */
export const KILLED_GUILD = '1000000000000000001';

export const KILLED_BOT: StoreOptions['bot'] = {
  tables: ['notes', { name: 'words', guild: { via: 'notes', on: 'note_id' } }],
  migrations: [
    `CREATE TABLE notes (id INTEGER PRIMARY KEY AUTOINCREMENT, guild_id TEXT NOT NULL, text TEXT);
     CREATE TABLE words (note_id INTEGER NOT NULL REFERENCES notes ON DELETE CASCADE, word TEXT);
     CREATE TRIGGER counted AFTER DELETE ON notes BEGIN INSERT INTO notes (guild_id, text) VALUES ('1', 'deleted'); END`,
  ],
};

/** Fills the database of {@link KILLED_BOT}. */
export function fillKilled(store: Store, guildId: string, notes: number): void {
  store.connection.transaction('full', () => {
    const note = store.connection.sqlite.prepare('INSERT INTO notes (guild_id, text) VALUES (?, ?)');
    const word = store.connection.sqlite.prepare('INSERT INTO words VALUES (?, ?)');
    for (let i = 0; i < notes; i++) {
      const { lastInsertRowid } = note.run(guildId, `note ${i}`.padEnd(2_000, '.'));
      word.run(lastInsertRowid, `word ${i}`);
    }
  });
}

/** The number of notes and words of a guild, and its record. */
export function stateOf(store: Store, guildId: string): string {
  const [notes, words] = store.mover.tables.map(({ countRows }) =>
    Object.values(store.connection.sqlite.prepare(countRows).get({ guilds: JSON.stringify([guildId]) }) ?? {}),
  );
  return `${notes} notes, ${words} words, ${store.mover.records.read(guildId)?.state ?? 'no record'}`;
}
