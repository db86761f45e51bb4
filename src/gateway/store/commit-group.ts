/**
 * When a commit is on disk.
 * - `full`: before it returns. For everything that somebody is told about.
 * - `normal`: with the next `full` commit or checkpoint. After a power loss the last ones may be gone, but never one without
 *   those after it, and a killed process loses none.
 */
export type Durability = 'full' | 'normal';

/**
 * Whose transaction it is. Tests end the process around the commits of a bot's transactions and of hints, or fail these commits.
 */
export type Member = 'bot' | 'hint' | 'other';

/** What a reader or writer must wait for before anything that depends on it leaves the pod. */
export interface PendingCommit {
  /** Resolves when the group is committed. Rejects with STORE_FAILED, FENCED or DATABASE_CORRUPT: nothing of it is written. */
  readonly committed: Promise<void>;
  /** Committed, or failed. */
  readonly ended: boolean;
}

/**
 * Transactions that commit together. It opens with the first of them and commits at the end of the same turn of the event loop, so
 * that transactions of one turn share one write to the disk, and a single one does not wait for others.
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
    // The members that wait for it get the rejection; without one it is not an unhandled rejection.
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
