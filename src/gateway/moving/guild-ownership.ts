import { authorityOf, newest, ownerByTopology } from '../../moving/authority.ts';
import { decideRequest, type RequestDecision } from '../../moving/decide.ts';
import type { Send } from '../../moving/messages.ts';
import { applyWrites, type Chain, type MovingState, type Write } from '../../moving/state.ts';
import type { Step } from '../../moving/step.ts';
import { GUILDLESS_POD, type TopologyRecord } from '../../routing/topology.ts';
import type { Recorded } from '../store/moving/guild-mover.ts';

/**
 * Who handles the events of a guild.
 * - `mine`: this pod
 * - `leaving`: this pod, unless it gives the guild away in this moment
 * - `arriving`: this pod, if the guild has been given to it
 * - `awaited`: its owner; the guild is to move here
 * - `elsewhere`: another pod
 */
export type EventFate = 'mine' | 'leaving' | 'arriving' | 'awaited' | 'elsewhere';

/** Writes of the protocol that exist in memory only. */
const IN_MEMORY: ReadonlySet<Write['kind']> = new Set(['parcel', 'parcel-ended', 'closing']);

export interface GuildOwnershipOptions {
  readonly state: MovingState;
  /** Writes a step to disk. */
  readonly write: (recorded: Recorded) => void;
}

/** Which guilds this pod owns. Every part of the service asks here; only the protocol of moves changes it. */
export class GuildOwnership {
  readonly ordinal: number;
  readonly #state: MovingState;
  readonly #write: GuildOwnershipOptions['write'];
  /** Guilds that this pod has given away, and whose new owners have not heard of it: their requests wait for that. */
  readonly #handingOver = new Set<string>();
  /** The guild that {@link owns} was true for, until the next change: a handler asks for each of its writes. */
  #lastOwned: string | null = null;
  #changed = Promise.withResolvers<void>();

  constructor({ state, write }: GuildOwnershipOptions) {
    this.ordinal = state.ordinal;
    this.#state = state;
    this.#write = write;
  }

  /** What the protocol knows. Only {@link commit} changes it. */
  get state(): Readonly<MovingState> {
    return this.#state;
  }

  /** The topologies from the one in force to the newest. */
  get chain(): Chain {
    return this.#state.chain;
  }

  get newest(): TopologyRecord {
    return newest(this.#state);
  }

  /** Whether guilds may still have to move. */
  get isMoving(): boolean {
    return this.#state.chain.length > 1;
  }

  /** What to do with a request. @param guildId a valid guild id */
  decide(guildId: string): RequestDecision {
    if (this.#handingOver.has(guildId)) return WAIT;
    return decideRequest(this.#state, guildId, ownerByTopology);
  }

  /** Who handles the events of a guild. */
  eventsOf(guildId: string): EventFate {
    const state = this.#state;
    if (state.recovering.size > 0) return this.willOwn(guildId) ? 'arriving' : 'elsewhere';
    const record = state.records.get(guildId)?.state;
    if (record === 'arriving' || record === 'awaiting') return 'arriving';
    const decision = decideRequest(state, guildId, ownerByTopology);
    if (decision.kind === 'serve') return 'mine';
    if (decision.kind === 'wait') return 'leaving';
    return state.chain.length > 1 && this.willOwn(guildId) ? 'awaited' : 'elsewhere';
  }

  /** Whether rows of a guild may be written here. True also for a guild that is leaving, until it has left. */
  owns(guildId: string): boolean {
    if (guildId === this.#lastOwned) return true;
    const owns = this.#computeOwns(guildId);
    if (owns) this.#lastOwned = guildId;
    return owns;
  }

  #computeOwns(guildId: string): boolean {
    const state = this.#state;
    if (state.recovering.size > 0) return false;
    const record = state.records.get(guildId);
    if (record !== undefined) return record.state === 'here';
    return authorityOf(state, guildId, ownerByTopology) === state.ordinal;
  }

  /** The pod to which requests for a guild go, as far as this pod knows. @param guildId null: without a guild */
  ownerOf(guildId: string | null): number {
    if (guildId === null) return GUILDLESS_POD;
    const decision = decideRequest(this.#state, guildId, ownerByTopology);
    return decision.kind === 'redirect' ? decision.to : this.ordinal;
  }

  /** Whether this pod owns a guild under the newest topology. */
  willOwn(guildId: string): boolean {
    return ownerByTopology(newest(this.#state), guildId) === this.ordinal;
  }

  /**
   * Commits a step, then takes it over.
   * @param write default: the records alone. Otherwise it writes rows and records in one transaction
   * @returns the messages to send
   * @throws the errors of the write; nothing has changed then
   */
  commit({ writes, sends }: Step, write?: (recorded: Recorded) => void): readonly Send[] {
    if (writes.length > 0) {
      const recorded = { state: this.#state, writes };
      if (write !== undefined) write(recorded);
      else if (writes.some(({ kind }) => !IN_MEMORY.has(kind))) this.#write(recorded);
      applyWrites(this.#state, writes);
      this.#wake();
    }
    return sends;
  }

  /** Requests for these guilds wait until {@link handedOver}. */
  handOver(guildIds: Iterable<string>): void {
    for (const guildId of guildIds) this.#handingOver.add(guildId);
  }

  /** The new owners of these guilds serve, or have been told as often as a request may wait. */
  handedOver(guildIds: Iterable<string>): void {
    for (const guildId of guildIds) this.#handingOver.delete(guildId);
    this.#wake();
  }

  /** Resolves after the next change of what {@link decide} says about any guild. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  #wake(): void {
    this.#lastOwned = null;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

const WAIT: RequestDecision = { kind: 'wait' };
