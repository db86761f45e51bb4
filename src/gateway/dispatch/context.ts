import type { REST } from '@discordjs/rest';
import type { BotContext, Database, Deadline } from '../../bot/types.ts';
import type { Logger } from '../../observability/log.ts';
import { type MonotonicTime, remaining } from '../../time.ts';
import type { Durability } from '../store/connection.ts';
import type { StepMemo } from '../store/ledger.ts';
import type { Store } from '../store/store.ts';

/** What all handlers of a pod share. */
export interface Host {
  readonly pod: number;
  readonly store: Store;
  readonly rest: REST;
  readonly log: Logger;
}

export class HandlerDeadline implements Deadline {
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
  readonly deadline: Deadline;
  /** Made only if the handler asks for it. */
  readonly signal: () => AbortSignal;
  /** Further facts for the log, such as the interaction's id. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

/** The context of one handler's run. */
export class HandlerContext implements BotContext {
  readonly guildId: string | null;
  readonly pod: number;
  readonly requestId: string;
  readonly db: Database;
  readonly rest: REST;
  readonly deadline: Deadline;
  readonly #host: Host;
  readonly #options: ContextOptions;
  #log: Logger | null = null;
  #steps = 0;

  constructor(host: Host, options: ContextOptions) {
    this.#host = host;
    this.#options = options;
    this.guildId = options.guildId;
    this.pod = host.pod;
    this.requestId = options.requestId;
    this.db = host.store.botDatabases[options.durability];
    this.rest = host.rest;
    this.deadline = options.deadline;
  }

  get log(): Logger {
    const { guildId, requestId, facts } = this.#options;
    this.#log ??= this.#host.log.child({ guild: guildId, request: requestId, ...facts });
    return this.#log;
  }

  get signal(): AbortSignal {
    return this.#options.signal();
  }

  /** Bound, so that a handler may take it out of its context: `({ transaction }) => …`. */
  readonly transaction = <Result>(work: (db: Database) => Result): Result => {
    const { memo, durability } = this.#options;
    const step = this.#steps++;
    const recorded = this.#host.store.connection.botTransaction(durability, () => {
      const earlier = memo.read(step);
      if (earlier !== undefined) return earlier;
      const value = encodeResult(work(this.db));
      memo.write(step, value);
      return value;
    });
    // Through JSON the first time, too: a handler sees the same now and when it is repeated.
    return decodeResult(recorded) as Result;
  };
}

const UNDEFINED = 'undefined';

function encodeResult(result: unknown): string {
  if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function') {
    throw new TypeError('the work of context.transaction returned a promise: it must be synchronous');
  }
  // What JSON does not know becomes undefined: a function, a symbol.
  return JSON.stringify(result) ?? UNDEFINED;
}

function decodeResult(value: string): unknown {
  return value === UNDEFINED ? undefined : JSON.parse(value);
}
