import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { readFaults } from '../../src/gateway/faults.ts';
import { openStore, type Store, type StoreOptions } from '../../src/gateway/store/store.ts';
import { createTopology } from '../../src/routing/topology.ts';

export const silent = pino({ level: 'silent' });
export const noFaults = readFaults({});

/** A temporary folder that is removed at the end. */
export function temporaryFolder(): Disposable & { readonly path: string; file(name: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'guildway-test-'));
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** A table without constraints, so that a repeated write leaves two rows. */
export const NOTES =
  'CREATE TABLE notes (guild_id TEXT NOT NULL, text TEXT NOT NULL) STRICT; CREATE INDEX notes_by_guild ON notes (guild_id)';

/** Options of a store for pod 0 of 1, whose bot has a table of notes. */
export function storeOptions(path: string, overrides: Partial<StoreOptions> = {}): StoreOptions {
  return {
    path,
    ordinal: 0,
    topology: createTopology({ strategy: 'md5', pods: 1 }),
    bot: { tables: ['notes'], migrations: [NOTES] },
    log: silent,
    faults: noFaults,
    ...overrides,
  };
}

/** Opens a store that belongs to this pod. */
export function openTestStore(path: string, overrides: Partial<StoreOptions> = {}): Store & Disposable {
  const opened = openStore(storeOptions(path, overrides));
  try {
    const store = opened.take();
    return Object.assign(store, { [Symbol.dispose]: () => store.close() });
  } catch (error) {
    opened.close();
    throw error;
  }
}

export const notesOf = (store: Store): string[] =>
  store.botDatabases.full.all<{ text: string }>('SELECT text FROM notes ORDER BY rowid').map(({ text }) => text);
