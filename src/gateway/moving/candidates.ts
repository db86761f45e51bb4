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

/** The guilds that this pod is to give away, by their new owners. */
export class Candidates {
  readonly #ownership: GuildOwnership;
  readonly #allGuilds: () => Iterable<string>;
  #byOwner = new Map<number, string[]>();
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
    for (const guilds of this.#byOwner.values()) size += guilds.length;
    return size;
  }

  get owners(): readonly number[] {
    return [...this.#byOwner.keys()];
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
    this.#byOwner = Map.groupBy(found, (guild) => ownerByTopology(newest(state), guild));
    for (const guild of this.#trouble.keys()) if (!found.has(guild)) this.#trouble.delete(guild);
    return found.size;
  }

  /** Takes guilds of one new owner that may try now, as long as the condition holds. */
  take(owner: number, most: number, fits: (guilds: readonly string[]) => boolean): string[] {
    const { state } = this.#ownership;
    const now = monotonicNow();
    const taken: string[] = [];
    const later: string[] = [];
    const guilds = this.#byOwner.get(owner) ?? [];
    while (guilds.length > 0 && taken.length < most) {
      const guild = guilds.pop() as string;
      if (!isLeaving(state, guild, ownerByTopology) || state.leaving.has(guild)) continue;
      const trouble = this.#trouble.get(guild);
      if (trouble !== undefined && trouble.notBefore > now) {
        later.push(guild);
      } else if (taken.length > 0 && !fits([...taken, guild])) {
        guilds.push(guild);
        break;
      } else taken.push(guild);
    }
    this.#byOwner.set(owner, [...later, ...guilds]);
    if (later.length + guilds.length === 0) this.#byOwner.delete(owner);
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
      this.#trouble.set(guild, { tries, notBefore: after(monotonicNow(), pauseMs), why });
      const owner = ownerByTopology(newest(this.#ownership.state), guild);
      this.#byOwner.set(owner, [guild, ...(this.#byOwner.get(owner) ?? [])]);
    }
  }

  /** These guilds have moved. */
  moved(guilds: Iterable<string>): void {
    for (const guild of guilds) this.#trouble.delete(guild);
  }

  /** Why guilds do not move, with how many and one example. */
  troubles(): { readonly why: string; readonly guilds: number; readonly example: string }[] {
    const byReason = Map.groupBy(this.#trouble, ([, { why }]) => why);
    return [...byReason].map(([why, guilds]) => ({
      why,
      guilds: guilds.length,
      example: (guilds[0] as [string, Trouble])[0],
    }));
  }

  *#guilds(): Iterable<string> {
    yield* this.#allGuilds();
    for (const [guild, { state }] of this.#ownership.state.records) if (state === 'here') yield guild;
  }
}
