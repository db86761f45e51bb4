import type { StatementSync } from 'node:sqlite';
import type { KeptSession, SessionStore, StoredSession } from '../discord-seam.ts';
import type { Connection } from './connection.ts';
import type { StepMemo } from './ledger.ts';
import { number, type Query, query, text } from './rows.ts';

/**
 * The Discord sessions of this pod's shards, and the execution records of their events. Everything here commits `normal`:
 * events are not acknowledged to anyone, and after a power loss the data, the records and the sequence roll back together. The
 * session then resumes from that sequence, and Discord sends the events again.
 */
export class Sessions implements SessionStore {
  readonly #connection: Connection;
  readonly #read: Query<KeptSession>;
  readonly #write: StatementSync;
  readonly #writeFailedResumes: StatementSync;
  readonly #clear: StatementSync;
  readonly #readGuilds: Query<{ guildId: string }>;
  readonly #isListed: Query<{ shard: number }>;
  readonly #addGuild: StatementSync;
  readonly #removeGuild: StatementSync;
  readonly #forgetUpTo: StatementSync;
  readonly #forgetOthers: StatementSync;
  readonly #readStep: Query<{ value: string }>;
  readonly #writeStep: StatementSync;

  constructor(connection: Connection) {
    const { sqlite } = connection;
    this.#connection = connection;
    this.#read = query(
      sqlite,
      `SELECT session_id AS sessionId, sequence, resume_url AS resumeUrl, shard_count AS shardCount,
         failed_resumes AS failedResumes
       FROM guildway_sessions WHERE shard = ?`,
      { sessionId: text, sequence: number, resumeUrl: text, shardCount: number, failedResumes: number },
    );
    this.#write = sqlite.prepare(
      `INSERT INTO guildway_sessions (shard, session_id, sequence, resume_url, shard_count) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET session_id = excluded.session_id, sequence = excluded.sequence,
         resume_url = excluded.resume_url, shard_count = excluded.shard_count,
         failed_resumes = IIF(session_id = excluded.session_id, failed_resumes, 0)`,
    );
    this.#writeFailedResumes = sqlite.prepare('UPDATE guildway_sessions SET failed_resumes = ? WHERE shard = ?');
    this.#clear = sqlite.prepare('DELETE FROM guildway_sessions WHERE shard = ?');
    this.#readGuilds = query(sqlite, 'SELECT guild_id AS guildId FROM guildway_session_guilds WHERE shard = ?', {
      guildId: text,
    });
    this.#isListed = query(sqlite, 'SELECT shard FROM guildway_session_guilds WHERE guild_id = ? LIMIT 1', {
      shard: number,
    });
    this.#addGuild = sqlite.prepare('INSERT OR IGNORE INTO guildway_session_guilds (shard, guild_id) VALUES (?, ?)');
    this.#removeGuild = sqlite.prepare(
      // The rows of a guild that is arriving are listed here when it has arrived.
      `DELETE FROM guildway_session_guilds WHERE shard = ? AND guild_id = ?
         AND NOT EXISTS (SELECT 1 FROM guildway_guild_records AS record
           WHERE record.guild_id = guildway_session_guilds.guild_id AND record.state = 'arriving')`,
    );
    this.#forgetUpTo = sqlite.prepare('DELETE FROM guildway_event_ledger WHERE session_id = ? AND sequence <= ?');
    this.#forgetOthers = sqlite.prepare(
      'DELETE FROM guildway_event_ledger WHERE session_id NOT IN (SELECT session_id FROM guildway_sessions)',
    );
    this.#readStep = query(
      sqlite,
      'SELECT value FROM guildway_event_ledger WHERE session_id = ? AND sequence = ? AND step = ?',
      { value: text },
    );
    this.#writeStep = sqlite.prepare(
      'INSERT INTO guildway_event_ledger (session_id, sequence, step, value, guild_id) VALUES (?, ?, ?, ?, ?)',
    );
    // A session that was never stored cannot be resumed, so Discord does not repeat its events.
    connection.transaction('normal', () => this.#forgetOthers.run());
  }

  read(shard: number): KeptSession | null {
    const row = this.#read.get(shard);
    return row === undefined ? null : { ...row };
  }

  write(shard: number, session: StoredSession): void {
    const { sessionId, sequence, resumeUrl, shardCount } = session;
    this.#connection.join('normal', 'other', () => {
      const previous = this.read(shard);
      this.#write.run(shard, sessionId, sequence, resumeUrl, shardCount);
      if (previous !== null && previous.sessionId !== sessionId)
        this.#forgetUpTo.run(previous.sessionId, Number.MAX_SAFE_INTEGER);
      this.#forgetUpTo.run(sessionId, sequence);
    });
  }

  writeFailedResumes(shard: number, count: number): void {
    this.#connection.join('normal', 'other', () => this.#writeFailedResumes.run(count, shard));
  }

  clear(shard: number): void {
    this.#connection.join('normal', 'other', () => {
      const previous = this.read(shard);
      this.#clear.run(shard);
      this.#replaceGuilds(shard, new Set());
      if (previous !== null) this.#forgetUpTo.run(previous.sessionId, Number.MAX_SAFE_INTEGER);
    });
  }

  readGuilds(shard: number): string[] {
    return this.#readGuilds.all(shard).map(({ guildId }) => guildId);
  }

  isListed(guildId: string): boolean {
    return this.#isListed.get(guildId) !== undefined;
  }

  writeGuilds(shard: number, guildIds: ReadonlySet<string>): void {
    this.#connection.join('normal', 'other', () => this.#replaceGuilds(shard, guildIds));
  }

  #replaceGuilds(shard: number, guildIds: ReadonlySet<string>): void {
    const stored = new Set(this.readGuilds(shard));
    for (const guildId of stored.difference(guildIds)) this.#removeGuild.run(shard, guildId);
    for (const guildId of guildIds.difference(stored)) this.#addGuild.run(shard, guildId);
  }

  /** The recorded steps of one event's handler. @param guildId the guild of the event; null: none */
  memo(sessionId: string, sequence: number, guildId: string | null): StepMemo {
    return {
      read: (step) => this.#readStep.get(sessionId, sequence, step)?.value,
      write: (step, value) => void this.#writeStep.run(sessionId, sequence, step, value, guildId ?? ''),
    };
  }
}
