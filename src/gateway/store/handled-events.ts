import type { StatementSync } from 'node:sqlite';
import { after, type Duration, type WallClock } from '../../time.ts';
import type { EventStart, HandledEvent, HandledEventStore } from '../discord-seam.ts';
import type { Connection } from './connection.ts';
import { nullable, number, type Query, query, text } from './rows.ts';

/** How long a handled event is remembered: longer than new owners hold events of guilds that are to come. */
const REMEMBERED_MS: Duration = 120_000;

/** Which events of guilds that move have been handled. See `discord/event-transit.ts`. */
export class HandledEvents implements HandledEventStore {
  readonly #connection: Connection;
  readonly #now: WallClock;
  readonly #record: StatementSync;
  readonly #renew: StatementSync;
  readonly #start: StatementSync;
  readonly #match: StatementSync;
  readonly #prune: StatementSync;
  readonly #list: Query<HandledEvent>;
  readonly #listed: Query<{ guildId: string }>;
  readonly #starts: Query<EventStart>;

  /** @param now must not jump while the process runs */
  constructor(connection: Connection, now: WallClock) {
    const { sqlite } = connection;
    this.#connection = connection;
    this.#now = now;
    this.#record = sqlite.prepare(
      `INSERT INTO guildway_handled_events (guild_id, session_id, sequence, hash, expires_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO NOTHING`,
    );
    // The clock of another pod, or of an earlier process, may have been wrong.
    this.#renew = sqlite.prepare(
      `UPDATE guildway_handled_events SET expires_at = ?, matched_session = NULL, matched_sequence = NULL
       WHERE guild_id IN (SELECT value FROM json_each(?))`,
    );
    this.#start = sqlite.prepare(
      'INSERT OR REPLACE INTO guildway_event_starts (guild_id, session_id, sequence) VALUES (?, ?, ?)',
    );
    this.#match = sqlite.prepare(
      `UPDATE guildway_handled_events SET matched_session = ?, matched_sequence = ?
       WHERE guild_id = ? AND session_id = ? AND sequence = ?`,
    );
    this.#prune = sqlite.prepare(
      `DELETE FROM guildway_handled_events WHERE (guild_id, session_id, sequence) IN
         (SELECT guild_id, session_id, sequence FROM guildway_handled_events
          WHERE expires_at < ? AND guild_id NOT IN (SELECT value FROM json_each(?)) LIMIT ?)`,
    );
    this.#list = query(
      sqlite,
      `SELECT session_id AS sessionId, sequence, hash, matched_session AS matchedSession, matched_sequence AS matchedSequence
       FROM guildway_handled_events WHERE guild_id = ? AND expires_at >= ? ORDER BY session_id, sequence`,
      {
        ...{ sessionId: text, sequence: number, hash: text },
        ...{ matchedSession: nullable(text), matchedSequence: nullable(number) },
      },
    );
    this.#listed = query(sqlite, 'SELECT DISTINCT guild_id AS guildId FROM guildway_handled_events', { guildId: text });
    this.#starts = query(
      sqlite,
      'SELECT guild_id AS guildId, session_id AS sessionId, sequence FROM guildway_event_starts',
      { guildId: text, sessionId: text, sequence: number },
    );
    const renewAll = sqlite.prepare('UPDATE guildway_handled_events SET expires_at = ?');
    const forgetStarts = sqlite.prepare(
      `DELETE FROM guildway_event_starts WHERE NOT EXISTS (SELECT 1 FROM guildway_sessions AS session
         WHERE session.session_id = guildway_event_starts.session_id AND session.sequence + 1 < guildway_event_starts.sequence)`,
    );
    connection.transaction('normal', () => {
      renewAll.run(this.#expiry);
      forgetStarts.run();
    });
  }

  record(guildId: string, sessionId: string, sequence: number, hash: string): void {
    this.#connection.join('normal', 'other', () => this.#record.run(guildId, sessionId, sequence, hash, this.#expiry));
  }

  imported(guildIds: readonly string[], starts: readonly EventStart[]): void {
    this.#renew.run(this.#expiry, JSON.stringify(guildIds));
    for (const { guildId, sessionId, sequence } of starts) this.#start.run(guildId, sessionId, sequence);
  }

  listOf(guildId: string): HandledEvent[] {
    return this.#list.all(guildId, this.#now());
  }

  listed(): string[] {
    return this.#listed.all().map(({ guildId }) => guildId);
  }

  match(guildId: string, handled: HandledEvent, sessionId: string, sequence: number): void {
    this.#connection.join('normal', 'other', () =>
      this.#match.run(sessionId, sequence, guildId, handled.sessionId, handled.sequence),
    );
  }

  starts(): EventStart[] {
    return this.#starts.all();
  }

  /** Removes expired rows. @param except guilds that are leaving: their copies must stay as they are @returns how many */
  prune(limit: number, except: Iterable<string>): number {
    const { changes } = this.#connection.join('normal', 'other', () =>
      this.#prune.run(this.#now(), JSON.stringify([...except]), limit),
    );
    return Number(changes);
  }

  get #expiry(): number {
    return after(this.#now(), REMEMBERED_MS);
  }
}
