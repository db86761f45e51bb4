import { errorCode, GuildwayError } from '../../errors.ts';
import type { GatewayResponse } from '../../link/message.ts';
import type { Logger } from '../../observability/log.ts';
import type { Faults } from '../faults.ts';
import { type Identity, type Ledger, NO_MEMO, type StepMemo } from '../store/ledger.ts';
import type { HandlerContext } from './context.ts';
import { type RecentExecution, RecentExecutions } from './recent-executions.ts';
import { decodeResponse, encodeResponse } from './recorded-response.ts';

/** The outcome of a handler. */
export interface Execution {
  readonly response: GatewayResponse;
  /** False: the handler failed. A repeated delivery runs it again; transactions that are recorded do not run again. */
  readonly final: boolean;
  /** The handler's context. The response leaves after the commits that the handler depends on. */
  readonly context?: Pick<HandlerContext, 'durable' | 'assertCommitted'>;
}

export interface Answer extends Omit<Execution, 'context'> {
  /** The response was computed for another delivery. */
  readonly replayed: boolean;
}

/**
 * Executions in flight and the latest responses: for deliveries that repeat within seconds, and for handlers that wrote
 * nothing.
 */
const RECENT = 4_096;
const MAX_RECENT_BODY = 8 * 1024;

/** Larger responses are not recorded. They are computed again from the recorded transactions. */
const MAX_RECORDED_BODY = 128 * 1024;

/** Runs a handler once for each identity, regardless of how often a request is delivered. */
export class IdempotentRunner {
  readonly #ledger: Ledger;
  readonly #faults: Faults;
  readonly #log: Logger;
  readonly #recent = new RecentExecutions<Promise<Execution>>(RECENT);
  #running = 0;
  #replays = 0;

  constructor(options: { ledger: Ledger; faults: Faults; log: Logger }) {
    this.#ledger = options.ledger;
    this.#faults = options.faults;
    this.#log = options.log;
  }

  /** Executions in flight, including those whose clients have disconnected. */
  get running(): number {
    return this.#running;
  }

  /** Deliveries that got a response without an execution. */
  get replays(): number {
    return this.#replays;
  }

  /**
   * Returns the recorded response of an identity, joins its execution, or executes it.
   * @param execute gets the memo for its transactions. All callers that joined get its rejection
   * @throws GuildwayError IDENTITY_REUSED if the identity is known with another body
   */
  async run(identity: Identity, execute: (memo: StepMemo) => Promise<Execution>): Promise<Answer> {
    if (this.#faults.has('no-ledger')) {
      const execution = await execute(NO_MEMO);
      await execution.context?.durable();
      return { ...execution, replayed: false };
    }
    const recent = this.#recent.find(identity.key);
    if (recent !== null) {
      assertSameBody(identity, recent.bodyHash);
      this.#replays++;
      return { ...(await recent.value), replayed: true };
    }
    const recorded = this.#ledger.find(identity.key);
    if (recorded !== null) {
      assertSameBody(identity, recorded.bodyHash);
      if (recorded.response !== null) {
        await this.#ledger.settled();
        this.#replays++;
        return { response: decodeResponse(recorded.response), final: true, replayed: true };
      }
    }
    return { ...(await this.#execute(identity, execute)), replayed: false };
  }

  #execute(identity: Identity, execute: (memo: StepMemo) => Promise<Execution>): Promise<Execution> {
    const memo = new TrackedMemo(this.#ledger.memo(identity));
    const { promise, resolve } = Promise.withResolvers<Execution>();
    const entry = this.#recent.add(identity.key, identity.bodyHash ?? '', promise);
    this.#running++;
    const result = execute(memo).then(async (execution) => {
      // In the same commit as the last transaction, unless the handler has awaited something since. Never after a failed one.
      execution.context?.assertCommitted();
      if (execution.final && memo.used) this.#record(identity, execution.response);
      await execution.context?.durable();
      this.#settle(entry, execution.final && execution.response.body.length <= MAX_RECENT_BODY);
      return execution;
    });
    result.catch(() => this.#settle(entry, false));
    // Callers that join get the rejection. Without them, the rejection must not count as unhandled.
    promise.catch(() => {});
    resolve(result);
    return promise;
  }

  #settle(entry: RecentExecution<Promise<Execution>> | null, keep: boolean): void {
    this.#running--;
    if (entry === null) return;
    entry.running = false;
    if (!keep) this.#recent.delete(entry);
  }

  #record(identity: Identity, response: GatewayResponse): void {
    if (response.body.length > MAX_RECORDED_BODY) return;
    try {
      this.#ledger.recordResponse(identity, encodeResponse(response));
    } catch (error) {
      // The writes are recorded and on disk. A repeated delivery computes the response from them again.
      this.#log.warn({ err: error, identity: identity.key }, 'the response could not be recorded');
    }
  }
}

/** Tracks whether the handler has recorded anything. A handler that only reads costs no write. */
class TrackedMemo implements StepMemo {
  readonly #memo: StepMemo;
  used = false;

  constructor(memo: StepMemo) {
    this.#memo = memo;
  }

  read(step: number): string | undefined {
    const value = this.#memo.read(step);
    if (value !== undefined) this.used = true;
    return value;
  }

  write(step: number, value: string): void {
    this.#memo.write(step, value);
    this.used = true;
  }
}

function assertSameBody(identity: Identity, bodyHash: string): void {
  if (identity.bodyHash === null || identity.bodyHash === bodyHash) return;
  throw new GuildwayError('IDENTITY_REUSED', `${identity.key} was used before with another body`, {
    facts: { identity: identity.key },
  });
}

/** Errors of the database, not of the handler. The handler's response does not count. */
export function isStoreError(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'STORE_FAILED' || code === 'FENCED' || code === 'TOPOLOGY_MISMATCH' || code === 'DATABASE_CORRUPT';
}
