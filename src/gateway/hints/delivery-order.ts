import type { MonotonicTime } from '../../time.ts';
import type { HintEntry } from '../store/hints.ts';

/** A hint that waits for its delivery. */
export interface Pending {
  readonly entry: HintEntry;
  notBefore: MonotonicTime;
  /** Deliveries that ended without success, in this process; for the pause before the next one. */
  failures: number;
  /** How many of these the bot has rejected. */
  rejections: number;
  /** Why the last one failed. */
  lastFailure: string | null;
  /** Its owner has seen it or may have: those behind it need not wait for it any more. */
  reached: boolean;
  /** How often it was sent on to another owner in a row. */
  hops: number;
}

/** Hints of which one at a time is under way: those of a guild, in the order of arrival. */
interface Group {
  readonly key: string;
  readonly hints: Pending[];
  busy: boolean;
  /** It stands in the list of those that may start, or in the one of those whose first hint is not due yet. */
  listed: boolean;
}

/** What has no guild has no order, and what has been with its owner has lost its place. */
const keyOf = ({ entry, reached }: Pending): string =>
  entry.guildId === null || reached ? `hint ${entry.id}` : entry.guildId;

/** The hints for one owner that are not under way, in the order of their delivery. Taking the next one costs the same however many there are. */
export class DeliveryOrder {
  readonly #groups = new Map<string, Group>();
  /** First in, first out, so that every guild has its turn. */
  #ready: Group[] = [];
  #delayed: Group[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  *[Symbol.iterator](): Iterator<Pending> {
    for (const { hints } of this.#groups.values()) yield* hints;
  }

  /** Adds a hint in its place by id. One that comes back releases the hints of its guild that wait behind it. */
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

  /** The next hint that may start, or null. Its guild then waits for {@link release}. */
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

  /** Looks again at the guilds whose first hint was not due. */
  wake(now: MonotonicTime): void {
    const delayed = this.#delayed;
    this.#delayed = [];
    for (const group of delayed) {
      const first = group.hints[0];
      (first === undefined || first.notBefore <= now ? this.#ready : this.#delayed).push(group);
    }
  }

  /** A hint is not under way any more; call it before the hint is added again. */
  release(pending: Pending): void {
    const group = this.#groups.get(keyOf(pending));
    if (group === undefined) return;
    group.busy = false;
    if (group.hints.length === 0) this.#groups.delete(group.key);
    else this.#list(group);
  }

  /** Takes a hint out that is not under way; null when it is not here. */
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
