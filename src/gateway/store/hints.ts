import type { HeaderList } from '../../protocol/headers.ts';
import { after, type Duration, type WallClock, type WallTime } from '../../time.ts';
import type { Durability, PendingCommit } from './commit-group.ts';
import type { Connection } from './connection.ts';
import { type HintStatements, prepareHintStatements, type SetAsideRow } from './hint-statements.ts';

/** The deferred response that the user has: none, a new message (5), or an invisible one on a component's message (6). */
export type Deferred = 0 | 5 | 6;

/** A request for another pod, as it is to be delivered. */
export interface NewHint {
  /** Such as `interaction:1234`. */
  readonly identity: string;
  /** Null: none; then the owner is pod 0. */
  readonly guildId: string | null;
  /** Path and query. */
  readonly target: string;
  /** Headers of the original request that describe its body. */
  readonly headers: HeaderList;
  readonly body: Buffer;
  /** Null: the identity alone identifies the request. */
  readonly bodyHash: string | null;
  readonly deferred: Deferred;
  /** The owner may have executed it: an attempt was sent and its outcome is unknown. */
  readonly uncertain: boolean;
  /** How long from now on it may be executed. */
  readonly lifeMs: Duration;
}

/** A stored hint without its content, for planning its delivery. */
export interface HintEntry {
  /** Grows with the order of arrival. */
  readonly id: number;
  readonly identity: string;
  readonly guildId: string | null;
  readonly deferred: Deferred;
  readonly storedAt: WallTime;
  readonly expiresAt: WallTime;
}

/** A stored hint with everything that its delivery sends. */
export type Hint = Omit<NewHint, 'bodyHash' | 'lifeMs'> & HintEntry;

/** A hint whose delivery has ended without success. It stays until an operator has it delivered again, or drops it. */
export interface SetAsideEntry extends HintEntry {
  readonly target: string;
  readonly uncertain: boolean;
  /** Deliveries that were sent. */
  readonly attempts: number;
  readonly setAsideAt: WallTime;
  readonly reason: string;
}

/**
 * `stored`: it is new. `known`: it was there. `set-aside`: it was, and is not delivered any more. `conflict`: its identity was there
 * with another body.
 */
export type PutResult =
  | { readonly kind: 'stored'; readonly entry: HintEntry }
  | { readonly kind: 'known' | 'set-aside' | 'conflict' };

/** How many there are, and the size of their bodies together. */
export interface HintTotals {
  count: number;
  bytes: number;
}

/**
 * `guildway_hints`: requests that are kept for other pods, those that wait and those that are set aside. What one turn of the event loop
 * changes commits together, with everything else that is written in it. Readers and totals see a change at once; the promise of a
 * change resolves when it is committed, and rejects with STORE_FAILED, FENCED or DATABASE_CORRUPT when nothing of it is written.
 */
export class HintStore {
  readonly #connection: Connection;
  readonly #now: WallClock;
  readonly #statements: HintStatements;
  readonly #waiting: HintTotals = { count: 0, bytes: 0 };
  readonly #setAside: HintTotals = { count: 0, bytes: 0 };
  /** The last commit with a change to the totals in it. */
  #pending: PendingCommit | null = null;

  /** @param now a clock that a step of the system's clock does not reach */
  constructor(connection: Connection, now: WallClock) {
    const { sqlite } = connection;
    this.#connection = connection;
    this.#now = now;
    this.#statements = prepareHintStatements(sqlite);
    this.countAll();
    this.#endStepsBack();
  }

  /** Counts the rows on disk: hints come and go with guilds that move. */
  countAll(): void {
    for (const totals of [this.#waiting, this.#setAside]) Object.assign(totals, { count: 0, bytes: 0 });
    for (const { aside, count, bytes } of this.#statements.totals.all()) {
      Object.assign(aside === 1 ? this.#setAside : this.#waiting, { count, bytes });
    }
  }

  /** Hints that wait for delivery. */
  get count(): number {
    return this.#waiting.count;
  }

  /** Of all their bodies together. */
  get bytes(): number {
    return this.#waiting.bytes;
  }

  get setAsideTotals(): Readonly<HintTotals> {
    return this.#setAside;
  }

  /** Stores a hint. It is on disk when this resolves. */
  async put(hint: NewHint): Promise<PutResult> {
    // FULL: it is on disk before it is acknowledged.
    const result = this.#write('full', () => this.#putOne(hint));
    if (result.kind === 'stored') this.#count(this.#waiting, 1, hint.body.length);
    await this.#connection.settled();
    return result;
  }

  /** All that wait, in the order in which they arrived. */
  list(): HintEntry[] {
    return this.#statements.list.all();
  }

  /** Null when it has been removed. */
  read(id: number): Hint | null {
    const row = this.#statements.read.get(id);
    if (row === undefined) return null;
    return {
      ...row,
      headers: JSON.parse(row.headers),
      body: Buffer.from(row.body),
      uncertain: row.uncertain === 1,
    };
  }

  /** `normal`: one that comes back after a power loss is delivered again, and its owner knows it. */
  async remove(id: number): Promise<void> {
    const row = this.#write('normal', () => this.#statements.remove.get(id));
    if (row !== undefined) this.#count(row.aside === 1 ? this.#setAside : this.#waiting, -1, row.bytes);
    await this.#connection.settled();
  }

  /** An attempt to deliver it is about to be sent: once this has resolved, it may have been executed. */
  async noteAttempt(id: number): Promise<void> {
    this.#write('normal', () => this.#statements.attempt.run(id));
    await this.#connection.settled();
  }

  /** Up to `limit` that wait and whose time is over, those first that have been longest. */
  expired(limit: number): number[] {
    return this.#statements.expired.all(this.#now(), limit).map((row) => row.id);
  }

  /** Gives one that waits more time, from now on. */
  async prolong(id: number, ms: Duration): Promise<void> {
    this.#write('normal', () => this.#statements.prolong.run(after(this.#now(), ms), id));
    await this.#connection.settled();
  }

  /** Takes one out of delivery and keeps it for an operator. */
  async setAside(id: number, reason: string): Promise<void> {
    const row = this.#write('normal', () => this.#statements.setAside.get(this.#now(), reason, id));
    if (row !== undefined) {
      this.#count(this.#waiting, -1, row.bytes);
      this.#count(this.#setAside, 1, row.bytes);
    }
    await this.#connection.settled();
  }

  /** Those that are set aside, the first one first. */
  listSetAside(limit: number): SetAsideEntry[] {
    return this.#statements.listSetAside.all(limit).map(asSetAside);
  }

  findSetAside(identity: string): SetAsideEntry | null {
    const row = this.#statements.findSetAside.get(identity);
    return row === undefined ? null : asSetAside(row);
  }

  /**
   * Lets one that is set aside wait for its delivery again. It is on disk when this returns.
   * @param anew as if it had been kept now, and never been sent
   * @returns what to plan it with, or null: it is not set aside
   * @throws GuildwayError STORE_FAILED, FENCED, DATABASE_CORRUPT
   */
  takeBack(id: number, lifeMs: Duration, anew: boolean): HintEntry | null {
    const now = this.#now();
    const row = this.#connection.transaction('full', () => {
      if (anew) this.#statements.renew.run(now, id);
      return this.#statements.takeBack.get(after(now, lifeMs), id);
    });
    if (row === undefined) return null;
    const { bytes, ...entry } = row;
    this.#count(this.#setAside, -1, bytes);
    this.#count(this.#waiting, 1, bytes);
    return entry;
  }

  #putOne(hint: NewHint): PutResult {
    const known = this.#statements.find.get(hint.identity);
    const now = this.#now();
    if (known !== undefined) {
      if (hint.bodyHash !== null && known.bodyHash !== hint.bodyHash) return { kind: 'conflict' };
      return { kind: known.aside === 1 ? 'set-aside' : 'known' };
    }
    const entry = this.#statements.insert.one(
      hint.identity,
      hint.guildId ?? '',
      hint.target,
      JSON.stringify(hint.headers),
      hint.body,
      hint.bodyHash ?? '',
      hint.deferred,
      hint.uncertain ? 1 : 0,
      now,
      after(now, hint.lifeMs),
    );
    return { kind: 'stored', entry };
  }

  /** A clock that was set back between two processes must not lengthen the life of what the first one stored. */
  #endStepsBack(): void {
    const now = this.#now();
    if (this.#statements.fromTheFuture.get(now) !== undefined)
      this.#write('normal', () => this.#statements.restamp.run(now, now, now));
  }

  #write<Result>(durability: Durability, work: () => Result): Result {
    const result = this.#connection.join(durability, 'hint', work);
    const { pending } = this.#connection;
    if (pending !== null && pending !== this.#pending) {
      this.#pending = pending;
      pending.committed.catch(() => this.countAll());
    }
    return result;
  }

  #count(totals: HintTotals, by: 1 | -1, bytes: number): void {
    totals.count += by;
    totals.bytes += by * bytes;
  }
}

const asSetAside = ({ uncertain, ...entry }: SetAsideRow): SetAsideEntry => ({ ...entry, uncertain: uncertain === 1 });
