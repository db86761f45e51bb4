import { setImmediate as nextTurn } from 'node:timers/promises';
import { newest, ownerByTopology } from '../../moving/authority.ts';
import { isLeaving } from '../../moving/old-owner.ts';
import { after, type Duration, type MonotonicTime, monotonicNow } from '../../time.ts';
import type { GuildOwnership } from './guild-ownership.ts';

/** Guilds that are looked up between two turns of the event loop. */
const PER_TURN = 200;
const PAUSE_BASE_MS = 250;
const PAUSE_CAP_MS = 60_000;

interface Trouble {
  tries: number;
  notBefore: MonotonicTime;
  why: string;
}

/** Guilds of one new owner that could not move. */
interface Postponed {
  guilds: string[];
  /** When the first of them may try again. */
  earliest: MonotonicTime;
}

/** The guilds that this pod is to give away, by their new owners. */
export class Candidates {
  readonly #ownership: GuildOwnership;
  readonly #allGuilds: () => Iterable<string>;
  #ready = new Map<number, string[]>();
  readonly #postponed = new Map<number, Postponed>();
  /** Guilds that could not move. */
  readonly #trouble = new Map<string, Trouble>();

  /** @param allGuilds with rows here; an id may come more than once */
  constructor(ownership: GuildOwnership, allGuilds: () => Iterable<string>) {
    this.#ownership = ownership;
    this.#allGuilds = allGuilds;
  }

  /** How many guilds are known to be left. */
  get size(): number {
    let size = 0;
    for (const owner of this.owners) size += this.#countOf(owner);
    return size;
  }

  get owners(): readonly number[] {
    return [...new Set([...this.#ready.keys(), ...this.#postponed.keys()])];
  }

  /** Looks at all guilds anew. @returns how many are to leave */
  async scan(): Promise<number> {
    const { state } = this.#ownership;
    const found = new Set<string>();
    let seen = 0;
    for (const guild of this.#guilds()) {
      if (!found.has(guild) && isLeaving(state, guild, ownerByTopology)) found.add(guild);
      if (++seen % PER_TURN === 0) await nextTurn();
    }
    this.#postponed.clear();
    this.#ready = Map.groupBy(found, (guild) => ownerByTopology(newest(state), guild));
    for (const guild of this.#trouble.keys()) if (!found.has(guild)) this.#trouble.delete(guild);
    return found.size;
  }

  /**
   * Takes guilds of one new owner that may try now, until one does not fit.
   * @param fits called once for each guild; the first one has to fit
   */
  take(owner: number, most: number, fits: (guild: string, isFirst: boolean) => boolean): string[] {
    const { state } = this.#ownership;
    const now = monotonicNow();
    const taken: string[] = [];
    const guilds = this.#ready.get(owner) ?? [];
    const due = this.#due(owner, now);
    const next = (): string | undefined => guilds.pop() ?? due.pop();
    while (taken.length < most) {
      const guild = next();
      if (guild === undefined) break;
      if (!isLeaving(state, guild, ownerByTopology) || state.leaving.has(guild)) continue;
      // A scan has found it again.
      const notBefore = this.#trouble.get(guild)?.notBefore;
      if (notBefore !== undefined && notBefore > now) this.#wait(owner, guild, notBefore);
      else if (!fits(guild, taken.length === 0)) {
        guilds.push(guild);
        break;
      } else taken.push(guild);
    }
    guilds.push(...due);
    if (guilds.length === 0) this.#ready.delete(owner);
    else this.#ready.set(owner, guilds);
    return taken;
  }

  /** How often a guild has failed to move. */
  triesOf(guild: string): number {
    return this.#trouble.get(guild)?.tries ?? 0;
  }

  /** These guilds stay for now, and are tried again later. */
  postpone(guilds: Iterable<string>, why: string): void {
    for (const guild of guilds) {
      const tries = this.triesOf(guild) + 1;
      const pauseMs: Duration = Math.min(PAUSE_CAP_MS, PAUSE_BASE_MS * 2 ** (tries - 1));
      const notBefore = after(monotonicNow(), pauseMs);
      this.#trouble.set(guild, { tries, notBefore, why });
      this.#wait(ownerByTopology(newest(this.#ownership.state), guild), guild, notBefore);
    }
  }

  /** These guilds have moved. */
  moved(guilds: Iterable<string>): void {
    for (const guild of guilds) this.#trouble.delete(guild);
  }

  /** Why guilds do not move, with how many and one example. @param silent new owners that do not answer */
  troubles(silent: ReadonlySet<number>): { readonly why: string; readonly guilds: number; readonly example: string }[] {
    const away = this.owners.flatMap((owner) => {
      const [example] = this.#ready.get(owner) ?? this.#postponed.get(owner)?.guilds ?? [];
      if (!silent.has(owner) || example === undefined) return [];
      return [{ why: `gateway-${owner} does not answer`, guilds: this.#countOf(owner), example }];
    });
    const byReason = Map.groupBy(this.#trouble, ([, { why }]) => why);
    const others = [...byReason].map(([why, guilds]) => ({
      why,
      guilds: guilds.length,
      example: (guilds[0] as [string, Trouble])[0],
    }));
    return [...away, ...others];
  }

  #countOf(owner: number): number {
    return (this.#ready.get(owner)?.length ?? 0) + (this.#postponed.get(owner)?.guilds.length ?? 0);
  }

  #wait(owner: number, guild: string, notBefore: MonotonicTime): void {
    const postponed = this.#postponed.get(owner);
    if (postponed === undefined) this.#postponed.set(owner, { guilds: [guild], earliest: notBefore });
    else {
      postponed.guilds.push(guild);
      if (notBefore < postponed.earliest) postponed.earliest = notBefore;
    }
  }

  /** Removes and returns the postponed guilds of an owner that may try again. */
  #due(owner: number, now: MonotonicTime): string[] {
    const postponed = this.#postponed.get(owner);
    if (postponed === undefined || postponed.earliest > now) return [];
    this.#postponed.delete(owner);
    const due: string[] = [];
    for (const guild of postponed.guilds) {
      const { notBefore } = this.#trouble.get(guild) ?? { notBefore: now };
      if (notBefore > now) this.#wait(owner, guild, notBefore);
      else due.push(guild);
    }
    return due;
  }

  *#guilds(): Iterable<string> {
    yield* this.#allGuilds();
    for (const [guild, { state }] of this.#ownership.state.records) if (state === 'here') yield guild;
  }
}
