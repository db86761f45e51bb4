import { type Topology, type TopologyRecord, topologyOf, topologyText } from '../../routing/topology.ts';

/**
 * - `newer`: owners are computed by it from now on
 * - `known`: nothing new
 * - `conflict`: this pod knows another topology of the same epoch
 */
export type Learned = 'newer' | 'known' | 'conflict';

/**
 * The topologies that an HTTP pod knows: the newest one, by which it computes owners, and older ones, whose pods may still have guilds. An
 * older epoch never wins.
 */
export class KnownTopologies {
  #newest: Topology;
  #older: readonly TopologyRecord[] = [];
  /** A gateway pod has said that every guild is where the topology of this epoch says. */
  #settled = 0;

  constructor(topology: Topology) {
    this.#newest = topology;
  }

  get newest(): Topology {
    return this.#newest;
  }

  /** Whether pods of older topologies may still have guilds. */
  get isMoving(): boolean {
    return this.#older.length > 0;
  }

  /** The number of pods of the largest topology: their ordinals are below it. */
  get pods(): number {
    return Math.max(this.#newest.pods, ...this.#older.map(({ pods }) => pods));
  }

  /** Takes a topology that a gateway pod named as its newest. */
  learn(topology: TopologyRecord): Learned {
    if (topology.epoch < this.#newest.epoch) return 'known';
    if (topology.epoch === this.#newest.epoch) return this.#isNewest(topology) ? 'known' : 'conflict';
    this.#older = [...this.#older, this.#newest.toRecord()];
    this.#newest = topologyOf(topology);
    return 'newer';
  }

  /**
   * Takes the topologies under which guilds may be, as a gateway pod knows them: from the one in force to the newest. Only one means that
   * no guild moves.
   */
  learnChain(chain: readonly [TopologyRecord, ...TopologyRecord[]]): Learned {
    const last = chain.at(-1) ?? chain[0];
    const learned = this.learn(last);
    if (learned === 'conflict') return learned;
    if (last.epoch < this.#newest.epoch) {
      // The pod has not heard of the newest topology yet, so guilds are where its own ones say.
      if (this.#settled < this.#newest.epoch) this.#older = union(this.#older, chain);
    } else if (chain.length === 1) {
      this.#older = [];
      this.#settled = last.epoch;
    } else if (this.#settled < last.epoch)
      this.#older = union(learned === 'newer' ? [] : this.#older, chain.slice(0, -1));
    return learned;
  }

  #isNewest(topology: TopologyRecord): boolean {
    return topologyText(topology) === topologyText(this.#newest);
  }
}

/** The topologies of both lists, by epoch. */
function union(known: readonly TopologyRecord[], more: readonly TopologyRecord[]): TopologyRecord[] {
  const byEpoch = new Map([...known, ...more].map((topology) => [topology.epoch, topology]));
  return [...byEpoch.values()].toSorted((a, b) => a.epoch - b.epoch);
}
