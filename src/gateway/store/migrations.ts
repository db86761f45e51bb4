import { hash } from 'node:crypto';
import { GuildwayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import { wallNow } from '../../time.ts';
import { asBot } from './bot-limits.ts';
import type { Connection } from './connection.ts';
import { number as numberColumn, query, text } from './rows.ts';

/** The owner of migration scripts. Each owner numbers its scripts from 1. */
export type MigrationOwner = 'guildway' | 'bot';

/** Every version knows this table: it tells which scripts other versions have run. */
const TABLE = `
  CREATE TABLE IF NOT EXISTS guildway_migrations (
    owner TEXT NOT NULL,
    number INTEGER NOT NULL,
    hash TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (owner, number)
  ) STRICT, WITHOUT ROWID`;

/** Ignores whitespace: indenting a script or checking it out with different line endings does not change its hash. */
const hashOf = (script: string): string => hash('sha256', script.replace(/\s+/g, ' ').trim());

/**
 * Applies the scripts that have not run on this database yet, in order, each in its own transaction.
 * @throws GuildwayError BOT_INVALID when an applied script has changed, or a script fails; DATABASE_UNSAFE when a newer version
 *   wrote Guildway's tables
 */
export function migrate(connection: Connection, owner: MigrationOwner, scripts: readonly string[], log: Logger): void {
  const { sqlite } = connection;
  sqlite.exec(TABLE);
  const applied = query(sqlite, 'SELECT number, hash FROM guildway_migrations WHERE owner = ? ORDER BY number', {
    number: numberColumn,
    hash: text,
  }).all(owner);
  const record = sqlite.prepare(
    'INSERT INTO guildway_migrations (owner, number, hash, applied_at) VALUES (?, ?, ?, ?)',
  );

  for (const [at, row] of applied.entries()) {
    const script = scripts[at];
    if (script !== undefined && hashOf(script) !== row.hash) {
      throw new GuildwayError(
        'BOT_INVALID',
        `migration ${row.number} of the ${owner} has changed since it ran on this database: append a new migration instead`,
        { facts: { owner, number: row.number } },
      );
    }
  }
  if (applied.length > scripts.length) {
    const newer = `this database has ${applied.length} migrations of the ${owner}, but this version knows only ${scripts.length}`;
    if (owner === 'guildway')
      throw new GuildwayError('DATABASE_UNSAFE', `${newer}: it was written by a newer Guildway`);
    // A bot that is rolled back usually works, because the tables only have additional columns.
    log.warn({ applied: applied.length, known: scripts.length }, `${newer}: it is an older version of the bot`);
  }
  for (let number = applied.length + 1; number <= scripts.length; number++) {
    const script = scripts[number - 1] as string;
    try {
      connection.transaction('full', () => {
        if (owner === 'bot') asBot(connection, () => sqlite.exec(script));
        else sqlite.exec(script);
        record.run(owner, number, hashOf(script), wallNow());
      });
    } catch (cause) {
      if (cause instanceof GuildwayError) throw cause;
      throw new GuildwayError(
        'BOT_INVALID',
        `migration ${number} of the ${owner} failed: ${(cause as Error).message}`,
        {
          cause,
          facts: { owner, number },
        },
      );
    }
    log.info({ owner, number }, 'migration applied');
  }
}
