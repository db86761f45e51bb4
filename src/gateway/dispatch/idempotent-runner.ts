import { errorCode, GuildwayError } from '../../errors.ts';
import type { GatewayResponse } from '../../link/message.ts';
import type { Logger } from '../../observability/log.ts';
import type { Faults } from '../faults.ts';
import { type Identity, type Ledger, NO_MEMO, type StepMemo } from '../store/ledger.ts';
import type { HandlerContext } from './context.ts';
import { type RecentExecution, RecentExecutions } from './recent-executions.ts';
import { decodeResponse, encodeResponse } from './recorded-response.ts';

/** What a handler made of a request. */
export interface Execution {
  readonly response: GatewayResponse;
  /** False: it failed. A repetition runs the handler again, over the transactions that are recorded. */
  readonly final: boolean;
  /** The context of the handler: the response leaves when what it depends on is committed. */
  readonly context?: Pick<HandlerContext, 'durable' | 'assertCommitted'>;
}

export interface Answer extends Omit<Execution, 'context'> {
  /** It was computed for an earlier delivery, or is being computed for one. */
  readonly replayed: boolean;
}

/** Executions in flight and the last responses: for repetitions within seconds, and for handlers that wrote nothing. */
const RECENT = 4_096;
const MAX_RECENT_BODY = 8 * 1024;

/** Responses larger than this are computed again from the recorded transactions. */
const MAX_RECORDED_BODY = 128 * 1024;

/** Sees to it that what is delivered twice is done once. */
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

  /** Executions in flight, including those whose callers have given up. */
  get running(): number {
    return this.#running;
  }

  /** How many deliveries were answered without running anything. */
  get replays(): number {
    return this.#replays;
  }

  /**
   * Answers with the recorded response of an identity, joins its execution, or executes it.
   * @param execute gets the memo for its transactions; all callers that joined get its rejection
   * @throws GuildwayError IDENTITY_REUSED when the identity is known with another body
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
      // In the same commit as the last transaction, if the handler has waited for nothing since; never after one that failed.
      execution.context?.assertCommitted();
      if (execution.final && memo.used) this.#record(identity, execution.response);
      await execution.context?.durable();
      this.#settle(entry, execution.final && execution.response.body.length <= MAX_RECENT_BODY);
      return execution;
    });
    result.catch(() => this.#settle(entry, false));
    // Callers that join get the rejection. Without any, it must not count as unhandled.
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
      // What was done is recorded and on disk; a repetition computes the response from it again.
      this.#log.warn({ err: error, identity: identity.key }, 'the response could not be recorded');
    }
  }
}

/** Notes whether the handler has recorded anything: one that only reads costs no write. */
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

/** Errors that say that nothing can be written: they are not the handler's, and no answer of it counts. */
export function isStoreError(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'STORE_FAILED' || code === 'FENCED' || code === 'TOPOLOGY_MISMATCH' || code === 'DATABASE_CORRUPT';
}
