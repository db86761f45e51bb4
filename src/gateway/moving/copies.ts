import { type Attempt, keyOf } from '../../moving/state.ts';
import type { CompressedCopy, GuildMover, LiveImport, Recorded } from '../store/moving/guild-mover.ts';
import type { LiveCopy } from '../store/moving/live-copy.ts';

/** The copy of a parcel that its new owner has or gets. */
type Copy = { readonly compressed: CompressedCopy } | { readonly live: LiveCopy };

/** Copies of guilds that are on their way out, by the attempt that moves them. In memory: a crash ends all attempts. */
export class OutgoingCopies {
  readonly #mover: GuildMover;
  readonly #copies = new Map<string, Copy>();

  constructor(mover: GuildMover) {
    this.#mover = mover;
  }

  keep(attempt: Attempt, copy: Copy): void {
    this.#copies.set(keyOf(attempt), copy);
  }

  drop(attempt: Attempt): void {
    this.#copies.delete(keyOf(attempt));
  }

  /**
   * Gives the guilds of the recorded step away.
   * @throws GuildwayError MOVE_OUTDATED when rows have changed since the copy was made; STORE_FAILED, FENCED
   */
  remove(attempt: Attempt, recorded: Recorded): void {
    const copy = this.#copies.get(keyOf(attempt));
    if (copy === undefined) throw new TypeError('no copy of this attempt');
    if ('live' in copy) this.#mover.removeLive(copy.live, recorded);
    else this.#mover.removeCopied(copy.compressed, recorded);
  }
}

interface Incoming {
  readonly key: string;
  readonly live: LiveImport;
  nextPart: number;
}

/** Large guilds that come in parts. In memory: after a crash their old owner begins anew. */
export class IncomingCopies {
  readonly #mover: GuildMover;
  readonly #incoming = new Map<string, Incoming>();

  constructor(mover: GuildMover) {
    this.#mover = mover;
  }

  /**
   * Writes a part of a guild.
   * @returns false: an earlier part is missing
   * @throws GuildwayError MOVE_REFUSED, MOVE_DAMAGED, STORE_FAILED; the copy is over then
   */
  take(guild: string, attempt: Attempt, part: number, chunks: readonly Uint8Array[]): boolean {
    const key = keyOf(attempt);
    let incoming = this.#incoming.get(guild);
    if (incoming?.key !== key) {
      this.drop(guild);
      if (part !== 0) return false;
      incoming = { key, live: this.#mover.receiveLive(guild), nextPart: 0 };
      this.#incoming.set(guild, incoming);
    }
    if (part < incoming.nextPart) return true;
    if (part > incoming.nextPart) return false;
    try {
      for (const chunk of chunks) incoming.live.apply(chunk);
    } catch (error) {
      this.drop(guild);
      throw error;
    }
    incoming.nextPart++;
    return true;
  }

  /** The copy that came in parts under this attempt, or null. */
  find(guild: string, attempt: Attempt): LiveImport | null {
    const incoming = this.#incoming.get(guild);
    return incoming?.key === keyOf(attempt) ? incoming.live : null;
  }

  dropAll(): void {
    for (const guild of [...this.#incoming.keys()]) this.drop(guild);
  }

  drop(guild: string): void {
    this.#incoming.get(guild)?.live[Symbol.dispose]();
    this.#incoming.delete(guild);
  }
}
