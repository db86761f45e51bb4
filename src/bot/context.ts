import type { REST } from '@discordjs/rest';
import type { RESTPostAPIWebhookWithTokenJSONBody } from 'discord-api-types/v10';
import type { Logger } from 'pino';
import type { Buildable } from './replies.ts';
import type { JobName, JobPayload, ScheduleOptions } from './scheduling.ts';

/** A value that SQLite can store. */
export type SqlValue = string | number | bigint | null | Uint8Array;

/**
 * The pod's SQLite database. Statements are prepared once and cached by their text, so keep the text constant.
 *
 * An integer is read as a number where that is exact (up to 2^53 - 1), else as a bigint: a snowflake in an INTEGER column is a bigint.
 */
export interface Database {
  /** The first row, or undefined. */
  get<Row extends object>(sql: string, ...values: SqlValue[]): Row | undefined;
  /** All rows. */
  all<Row extends object>(sql: string, ...values: SqlValue[]): Row[];
  /** Executes one statement. */
  run(sql: string, ...values: SqlValue[]): { changes: number; lastInsertRowid: number | bigint };
}

/** When the client stops waiting for a response. */
export interface Deadline {
  /** Milliseconds left. 0: it has passed. */
  remainingMs(): number;
}

/** The context that every handler gets. */
export interface BotContext {
  /** The guild, or null (a DM, an entitlement). This pod owns it. */
  readonly guildId: string | null;
  /** The ordinal of this gateway pod. */
  readonly pod: number;
  /** The id of this request in the logs of every pod on its way. */
  readonly requestId: string;
  readonly db: Database;
  /**
   * Runs `work` in one SQLite transaction and returns what it returns.
   *
   * Once: the result is recorded in the same transaction under the identity of what is handled (an interaction, an event, a
   * webhook, an Idempotency-Key). If the same thing is delivered again, the n-th transaction of the handler is not run
   * again; it returns its recorded result. Writes outside of it happen at least once.
   *
   * `work` is synchronous, and its result must survive `JSON.stringify`; it may have bigints. If it throws, nothing is written.
   *
   * When it returns, every reader of this pod sees the writes, and they commit at the end of this turn of the event loop. The
   * handler's answer and its calls of {@link rest} leave the pod after that commit. If the commit fails, they do not leave, and the
   * handler counts as failed. Before you tell anybody by other means, such as your own `fetch`, wait for {@link durable}.
   */
  transaction<Result>(work: (db: Database) => Result): Result;
  /**
   * Schedules a job of this guild: the owner runs it once when it is due. Inside {@link transaction} it commits with it; outside, it
   * is a transaction of its own. Without a guild it is a job of pod 0.
   *
   * @throws GuildwayError JOB_INVALID if the bot has no such job, or the options or the payload are not valid (the payload is JSON of at
   *   most 64 KiB)
   */
  schedule<Name extends JobName>(name: Name, payload: JobPayload<Name>, options?: ScheduleOptions): void;
  /**
   * Sends another message to an interaction, after its response. It is stored with {@link transaction}, or in a transaction of its own, so it
   * survives the pod; it is tried again while the interaction's token is valid, about 15 minutes. Follow-ups of a handler are sent in order.
   * `flags: 64` shows it to the user only. No files.
   *
   * @throws GuildwayError JOB_INVALID in handlers of anything else than an interaction
   */
  followUp(message: string | Buildable<RESTPostAPIWebhookWithTokenJSONBody>): void;
  /**
   * Cancels the job of this guild with this name and key. A job that runs at this moment is cancelled too unless it has returned: its
   * next transaction throws. A job cannot cancel itself: it ends by returning.
   * @returns whether there was one
   */
  cancel(name: JobName, key: string): boolean;
  /**
   * Resolves when everything this handler has written is on disk (for gateway events: committed), and with it what it has read.
   * Rejects if that failed: then nothing of it is written.
   */
  durable(): Promise<void>;
  /** Discord's REST API, with this pod's share of the bot's rate limit. */
  readonly rest: REST;
  readonly log: Logger;
  readonly deadline: Deadline;
  /** Aborts when the client disconnects. */
  readonly signal: AbortSignal;
}
