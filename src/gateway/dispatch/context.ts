import type { REST } from '@discordjs/rest';
import type { BotContext, Database, Deadline, SqlValue } from '../../bot/types.ts';
import { GuildwayError } from '../../errors.ts';
import type { Logger } from '../../observability/log.ts';
import { type MonotonicTime, remaining } from '../../time.ts';
import type { Durability, PendingCommit } from '../store/commit-group.ts';
import type { StepMemo } from '../store/ledger.ts';
import type { Store } from '../store/store.ts';
import { followUpJob, type HandledInteraction } from './interaction-jobs.ts';
import { decodeResult, encodeResult } from './recorded-result.ts';
import { assertKey, assertName, guildOfJob, newJob } from './scheduling.ts';

/** What all handlers of this pod share. */
export interface Host {
  readonly pod: number;
  readonly store: Store;
  readonly rest: REST;
  /** Whether this pod owns a guild. Its handlers may outlive that, such as streams. */
  readonly owns: (guildId: string) => boolean;
  readonly log: Logger;
}

class HandlerDeadline implements Deadline {
  readonly #at: MonotonicTime;

  constructor(at: MonotonicTime) {
    this.#at = at;
  }

  remainingMs(): number {
    return Math.max(0, remaining(this.#at));
  }
}

export interface ContextOptions {
  readonly guildId: string | null;
  readonly requestId: string;
  readonly durability: Durability;
  readonly memo: StepMemo;
  /** When the client stops waiting. */
  readonly deadlineAt: MonotonicTime;
  /** Created when the handler uses it. */
  readonly signal: () => AbortSignal;
  /** The interaction that is handled. */
  readonly handled?: HandledInteraction;
  /** The job that this handler is. */
  readonly jobId?: string;
  /** More facts for the log, such as the interaction's id. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/**
 * The context of one execution of a handler. Its transactions commit together with others at the end of the turn of the event
 * loop. The context tracks the commits that the handler depends on: those of its own writes, and of uncommitted data that it
 * has read.
 */
export class HandlerContext implements BotContext {
  readonly guildId: string | null;
  readonly pod: number;
  readonly requestId: string;
  readonly deadline: Deadline;
  readonly #host: Host;
  readonly #options: ContextOptions;
  #log: Logger | null = null;
  #db: Database | null = null;
  #rest: REST | null = null;
  #steps = 0;
  #followUps = 0;
  /** The last commit that the handler depends on. Commits happen in order. */
  #pending: PendingCommit | null = null;
  #failure: { readonly error: unknown } | null = null;

  constructor(host: Host, options: ContextOptions) {
    this.#host = host;
    this.#options = options;
    this.guildId = options.guildId;
    this.pod = host.pod;
    this.requestId = options.requestId;
    this.deadline = new HandlerDeadline(options.deadlineAt);
  }

  get db(): Database {
    this.#db ??= new ObservedDatabase(this.#host.store.botDatabases[this.#options.durability], {
      beforeWrite: () => this.#assertOwned(),
      onUse: () => this.#depend(),
    });
    return this.#db;
  }

  get rest(): REST {
    this.#rest ??= afterCommit(this.#host.rest, () => this.durable());
    return this.#rest;
  }

  get log(): Logger {
    const { guildId, requestId, facts } = this.#options;
    this.#log ??= this.#host.log.child({ guild: guildId, request: requestId, ...facts });
    return this.#log;
  }

  get signal(): AbortSignal {
    return this.#options.signal();
  }

  /** Bound, so that a handler can destructure its context: `({ transaction }) => …`. */
  readonly transaction = <Result>(work: (db: Database) => Result): Result => {
    const { memo, durability } = this.#options;
    this.#assertOwned();
    const step = this.#steps++;
    const recorded = this.#host.store.connection.join(durability, 'bot', () => {
      const earlier = memo.read(step);
      if (earlier !== undefined) return earlier;
      const value = encodeResult(work(this.db));
      memo.write(step, value);
      return value;
    });
    this.#depend();
    // Through JSON the first time too, so that a handler sees the same value when it runs again.
    return decodeResult(recorded) as Result;
  };

  /** Made when a handler asks for it, as few do; bound like {@link transaction}. */
  get schedule(): BotContext['schedule'] {
    return (name, payload, options = {}) => {
      const { jobs } = this.#host.store;
      const job = newJob(jobs, this, { name, payload, options });
      this.#inTransaction(() => jobs.add(job, this.#options.jobId ?? null));
    };
  }

  get followUp(): BotContext['followUp'] {
    return (message) => {
      const { handled } = this.#options;
      if (handled === undefined) {
        throw new GuildwayError(
          'JOB_INVALID',
          'only the handler of an interaction can follow up: use context.rest to send a message',
        );
      }
      const { jobs } = this.#host.store;
      const job = followUpJob(handled, message, guildOfJob(this), jobs.now(), this.#followUps++);
      this.#inTransaction(() => jobs.add(job, null));
    };
  }

  get cancel(): BotContext['cancel'] {
    return (name, key) => {
      const { jobs } = this.#host.store;
      assertName(jobs.names, name);
      assertKey(key);
      const guildId = guildOfJob(this);
      return this.#inTransaction(() => jobs.cancel(guildId, name, key, this.#options.jobId ?? null));
    };
  }

  /** Runs `work` in the transaction that is open, or in one of its own. */
  #inTransaction<Result>(work: () => Result): Result {
    return this.#host.store.connection.inTransaction ? work() : this.transaction(work);
  }

  /** Whether each commit that the handler depends on has succeeded or failed. */
  get settled(): boolean {
    return this.#pending === null || this.#pending.ended;
  }

  readonly durable = async (): Promise<void> => {
    await this.#pending?.committed;
    this.assertCommitted();
  };

  /** @throws the error of a failed commit that the handler depends on */
  assertCommitted(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  /** @throws GuildwayError GUILD_MOVED */
  #assertOwned(): void {
    const { guildId } = this;
    if (guildId === null || this.#host.owns(guildId)) return;
    throw new GuildwayError('GUILD_MOVED', `guild ${guildId} has moved to another pod: nothing was written`);
  }

  #depend(): void {
    const { pending } = this.#host.store.connection;
    if (pending === null || pending === this.#pending) return;
    this.#pending = pending;
    pending.committed.catch((error: unknown) => {
      this.#failure ??= { error };
    });
  }
}

/** A database that tracks its use. */
class ObservedDatabase implements Database {
  readonly #db: Database;
  readonly #beforeWrite: () => void;
  readonly #onUse: () => void;

  constructor(db: Database, hooks: { readonly beforeWrite: () => void; readonly onUse: () => void }) {
    this.#db = db;
    this.#beforeWrite = hooks.beforeWrite;
    this.#onUse = hooks.onUse;
  }

  get<Row extends object>(sql: string, ...values: SqlValue[]): Row | undefined {
    const row = this.#db.get<Row>(sql, ...values);
    this.#onUse();
    return row;
  }

  all<Row extends object>(sql: string, ...values: SqlValue[]): Row[] {
    const rows = this.#db.all<Row>(sql, ...values);
    this.#onUse();
    return rows;
  }

  run(sql: string, ...values: SqlValue[]): { changes: number; lastInsertRowid: number | bigint } {
    this.#beforeWrite();
    const result = this.#db.run(sql, ...values);
    this.#onUse();
    return result;
  }
}

const CALLS: ReadonlySet<string | symbol> = new Set<keyof REST>([
  ...(['get', 'post', 'put', 'patch', 'delete', 'request', 'queueRequest'] as const),
]);

/** A REST client that delays each call until the handler's writes are on disk, and drops the call if their commit fails. */
function afterCommit(rest: REST, durable: () => Promise<void>): REST {
  return new Proxy(rest, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      if (!CALLS.has(name)) return value.bind(target);
      return async (...values: unknown[]) => {
        await durable();
        return value.apply(target, values);
      };
    },
  });
}
