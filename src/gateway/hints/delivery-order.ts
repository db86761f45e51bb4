import type { MonotonicTime } from '../../time.ts';
import type { HintEntry } from '../store/hints.ts';

/** A hint that waits for delivery. */
export interface Pending {
  readonly entry: HintEntry;
  notBefore: MonotonicTime;
  /** Failed deliveries in this process. They determine the pause before the next one. */
  failures: number;
  /** How many of them the bot rejected. */
  rejections: number;
  /** Why the last one failed. */
  lastFailure: string | null;
  /** The owner has seen the hint, or may have. Later hints need not wait for it. */
  reached: boolean;
  /** Redirects in a row. */
  hops: number;
}

/** Hints of one guild, in order of arrival. One at a time is in flight. */
interface Group {
  readonly key: string;
  readonly hints: Pending[];
  busy: boolean;
  /** Whether the guild is in the list of guilds that may start, or in the list of guilds whose first hint is not due yet. */
  listed: boolean;
}

/** A hint without a guild has no order. A hint that its owner has seen has lost its place. */
const keyOf = ({ entry, reached }: Pending): string =>
  entry.guildId === null || reached ? `hint ${entry.id}` : entry.guildId;

/** The hints for one owner that are not in flight, in order of delivery. Taking the next one takes constant time. */
export class DeliveryOrder {
  readonly #groups = new Map<string, Group>();
  /** First in, first out, so that every guild gets its turn. */
  #ready: Group[] = [];
  #delayed: Group[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  *[Symbol.iterator](): Iterator<Pending> {
    for (const { hints } of this.#groups.values()) yield* hints;
  }

  /** Adds a hint in order of its id. A hint that returns releases the hints of its guild behind it. */
  add(pending: Pending): void {
    const key = keyOf(pending);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = { key, hints: [], busy: false, listed: false };
      this.#groups.set(key, group);
    }
    const { hints } = group;
    let at = hints.length;
    while (at > 0 && (hints[at - 1] as Pending).entry.id > pending.entry.id) at--;
    hints.splice(at, 0, pending);
    this.#size++;
    this.#list(group);
  }

  /** Takes the next hint that may start, or null. Its guild then waits for {@link release}. */
  take(now: MonotonicTime): Pending | null {
    for (;;) {
      const group = this.#ready.shift();
      if (group === undefined) return null;
      const [first] = group.hints;
      if (first === undefined) {
        this.#groups.delete(group.key);
      } else if (first.notBefore > now) {
        this.#delayed.push(group);
      } else {
        group.listed = false;
        group.busy = true;
        group.hints.shift();
        this.#size--;
        return first;
      }
    }
  }

  /** Checks the guilds whose first hint was not due. */
  wake(now: MonotonicTime): void {
    const delayed = this.#delayed;
    this.#delayed = [];
    for (const group of delayed) {
      const first = group.hints[0];
      (first === undefined || first.notBefore <= now ? this.#ready : this.#delayed).push(group);
    }
  }

  /** A hint is no longer in flight. Call this before the hint is added again. */
  release(pending: Pending): void {
    const group = this.#groups.get(keyOf(pending));
    if (group === undefined) return;
    group.busy = false;
    if (group.hints.length === 0) this.#groups.delete(group.key);
    else this.#list(group);
  }

  /** Removes a hint that is not in flight. Null if it is not here. */
  remove({ id, guildId }: Pick<HintEntry, 'id' | 'guildId'>): Pending | null {
    for (const key of [guildId, `hint ${id}`]) {
      const hints = this.#groups.get(key ?? '')?.hints ?? [];
      const at = hints.findIndex(({ entry }) => entry.id === id);
      if (at === -1) continue;
      this.#size--;
      return hints.splice(at, 1)[0] ?? null;
    }
    return null;
  }

  #list(group: Group): void {
    if (group.busy || group.listed) return;
    group.listed = true;
    this.#ready.push(group);
  }
}
