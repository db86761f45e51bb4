import type { HeaderList } from '../../protocol/headers.ts';
import { after, type Duration, type WallClock, type WallTime } from '../../time.ts';
import type { Durability, PendingCommit } from './commit-group.ts';
import type { Connection } from './connection.ts';
import { type HintStatements, prepareHintStatements, type SetAsideRow } from './hint-statements.ts';

/** The deferred response that the user sees: none, a new message (5), or an invisible update of a component's message (6). */
export type Deferred = 0 | 5 | 6;

/** A request to store for delivery to another pod. */
export interface NewHint {
  /** Such as `interaction:1234`. */
  readonly identity: string;
  /** Null: the request has no guild and belongs to pod 0. */
  readonly guildId: string | null;
  /** Path and query. */
  readonly target: string;
  /** The original headers that describe the body. */
  readonly headers: HeaderList;
  readonly body: Buffer;
  /** Null: the identity alone identifies the request. */
  readonly bodyHash: string | null;
  readonly deferred: Deferred;
  /** The owner may have executed the request: an attempt was sent and its outcome is unknown. */
  readonly uncertain: boolean;
  /** How long the request may be executed from now on. */
  readonly lifeMs: Duration;
}

/** A stored hint without its content, for scheduling its delivery. */
export interface HintEntry {
  /** Increases in order of arrival. */
  readonly id: number;
  readonly identity: string;
  readonly guildId: string | null;
  readonly deferred: Deferred;
  readonly storedAt: WallTime;
  readonly expiresAt: WallTime;
}

/** A stored hint with its content. */
export type Hint = Omit<NewHint, 'bodyHash' | 'lifeMs'> & HintEntry;

/** A hint whose delivery has failed for good. It stays until an operator redelivers or drops it. */
export interface SetAsideEntry extends HintEntry {
  readonly target: string;
  readonly uncertain: boolean;
  /** The number of sent deliveries. */
  readonly attempts: number;
  readonly setAsideAt: WallTime;
  readonly reason: string;
}

/**
 * `stored`: the hint is new. `known`: it already waits. `set-aside`: it exists and is no longer delivered. `conflict`: its
 * identity exists with a different body.
 */
export type PutResult =
  | { readonly kind: 'stored'; readonly entry: HintEntry }
  | { readonly kind: 'known' | 'set-aside' | 'conflict' };

/** The number of hints and the total size of their bodies. */
export interface HintTotals {
  count: number;
  bytes: number;
}

/**
 * `guildway_hints`: requests stored for other pods, waiting or set aside. All changes of one turn of the event loop commit
 * together, along with every other write of that turn. Readers and totals see a change immediately. The promise of a change
 * resolves when it is committed, and rejects with STORE_FAILED, FENCED or DATABASE_CORRUPT when nothing was written.
 */
export class HintStore {
  readonly #connection: Connection;
  readonly #now: WallClock;
  readonly #statements: HintStatements;
  readonly #waiting: HintTotals = { count: 0, bytes: 0 };
  readonly #setAside: HintTotals = { count: 0, bytes: 0 };
  /** The last commit that changes the totals. */
  #pending: PendingCommit | null = null;

  /** @param now a clock that is immune to steps of the system clock */
  constructor(connection: Connection, now: WallClock) {
    const { sqlite } = connection;
    this.#connection = connection;
    this.#now = now;
    this.#statements = prepareHintStatements(sqlite);
    this.countAll();
    this.#endStepsBack();
  }

  /** Recounts the rows on disk: moving guilds add and remove hints. */
  countAll(): void {
    for (const totals of [this.#waiting, this.#setAside]) Object.assign(totals, { count: 0, bytes: 0 });
    for (const { aside, count, bytes } of this.#statements.totals.all()) {
      Object.assign(aside === 1 ? this.#setAside : this.#waiting, { count, bytes });
    }
  }

  /** The number of hints that wait for delivery. */
  get count(): number {
    return this.#waiting.count;
  }

  /** The total size of their bodies. */
  get bytes(): number {
    return this.#waiting.bytes;
  }

  get setAsideTotals(): Readonly<HintTotals> {
    return this.#setAside;
  }

  /** Stores a hint. The hint is on disk when this resolves. */
  async put(hint: NewHint): Promise<PutResult> {
    // FULL: the hint must be on disk before the request is acknowledged.
    const result = this.#write('full', () => this.#putOne(hint));
    if (result.kind === 'stored') this.#count(this.#waiting, 1, hint.body.length);
    await this.#connection.settled();
    return result;
  }

  /** All waiting hints, in order of arrival. */
  list(): HintEntry[] {
    return this.#statements.list.all();
  }

  /** Null: the hint has been removed. */
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

  /** `normal`: after a power loss a removed hint may reappear. It is then delivered again, and its owner recognizes it. */
  async remove(id: number): Promise<void> {
    const row = this.#write('normal', () => this.#statements.remove.get(id));
    if (row !== undefined) this.#count(row.aside === 1 ? this.#setAside : this.#waiting, -1, row.bytes);
    await this.#connection.settled();
  }

  /** Records that a delivery is about to be sent. Once this has resolved, the request may have been executed. */
  async noteAttempt(id: number): Promise<void> {
    this.#write('normal', () => this.#statements.attempt.run(id));
    await this.#connection.settled();
  }

  /** Up to `limit` waiting hints that have expired, longest expired first. */
  expired(limit: number): number[] {
    return this.#statements.expired.all(this.#now(), limit).map((row) => row.id);
  }

  /** Extends the life of a waiting hint to `ms` from now. */
  async prolong(id: number, ms: Duration): Promise<void> {
    this.#write('normal', () => this.#statements.prolong.run(after(this.#now(), ms), id));
    await this.#connection.settled();
  }

  /** Stops the delivery of a hint and keeps it for an operator. */
  async setAside(id: number, reason: string): Promise<void> {
    const row = this.#write('normal', () => this.#statements.setAside.get(this.#now(), reason, id));
    if (row !== undefined) {
      this.#count(this.#waiting, -1, row.bytes);
      this.#count(this.#setAside, 1, row.bytes);
    }
    await this.#connection.settled();
  }

  /** Hints that are set aside, oldest first. */
  listSetAside(limit: number): SetAsideEntry[] {
    return this.#statements.listSetAside.all(limit).map(asSetAside);
  }

  findSetAside(identity: string): SetAsideEntry | null {
    const row = this.#statements.findSetAside.get(identity);
    return row === undefined ? null : asSetAside(row);
  }

  /**
   * Returns a hint that is set aside to delivery. The change is on disk when this returns.
   * @param anew treat the hint as newly stored and never sent
   * @returns the entry to schedule, or null if the hint is not set aside
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

  /** Setting the clock back between two processes must not extend the life of stored hints. */
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
