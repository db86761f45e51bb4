/**
 * When a commit is on disk.
 * - `full`: before it returns. For everything that is acknowledged to a client.
 * - `normal`: with the next `full` commit or checkpoint. A power loss may undo the latest commits, but never one without those
 *   after it. A killed process loses none.
 */
export type Durability = 'full' | 'normal';

/** The kind of a transaction. Fault injection kills the process around commits of bot and hint transactions, or fails them. */
export type Member = 'bot' | 'hint' | 'other';

/** A reader or writer waits for this before any result that depends on it leaves the pod. */
export interface PendingCommit {
  /** Resolves when the group is committed. Rejects with STORE_FAILED, FENCED or DATABASE_CORRUPT when nothing was written. */
  readonly committed: Promise<void>;
  /** Whether it has committed or failed. */
  readonly ended: boolean;
}

/**
 * Transactions that commit together. The group opens with the first one and commits at the end of the same turn of the event
 * loop. So transactions of one turn share one disk write, and a single transaction does not wait for others.
 */
export class CommitGroup implements PendingCommit {
  readonly durability: Durability;
  readonly committed: Promise<void>;
  readonly #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void };
  readonly #members = new Set<Member>();
  #ended = false;

  constructor(durability: Durability) {
    this.durability = durability;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Waiting members receive the rejection. Without any, it must not become an unhandled rejection.
    promise.catch(() => {});
    this.committed = promise;
    this.#settle = { resolve, reject };
  }

  get ended(): boolean {
    return this.#ended;
  }

  add(member: Member): void {
    this.#members.add(member);
  }

  holds(member: Member): boolean {
    return this.#members.has(member);
  }

  succeed(): void {
    this.#ended = true;
    this.#settle.resolve();
  }

  fail(error: unknown): void {
    this.#ended = true;
    this.#settle.reject(error);
  }
}
