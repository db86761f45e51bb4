import { type Topology, type TopologyRecord, topologyOf, topologyText } from '../../routing/topology.ts';

/**
 * - `new`: owners are computed by it from now on
 * - `known`: nothing new
 * - `conflict`: this pod knows another topology of the same epoch
 */
export type Learned = 'new' | 'known' | 'conflict';

/**
 * The topologies that an HTTP pod knows: the newest one, by which it computes owners, and older ones, whose pods may still have guilds. An
 * older epoch never wins.
 *
 * The topology from the environment is a guess. While the gateway pods are told of a new number one after another, they agree on it later than
 * the first HTTP pod has it. So the first topology that a gateway pod names takes its place, whatever its epoch.
 */
export class KnownTopologies {
  #newest: Topology;
  #older: readonly TopologyRecord[] = [];
  /** A gateway pod has named the newest topology. */
  #named = false;
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

  /** The topologies before the newest one, whose pods may still have guilds. Epochs ascend. */
  get older(): readonly Topology[] {
    return this.#older.map(topologyOf);
  }

  /** The number of pods of the largest topology: their ordinals are below it. */
  get pods(): number {
    return Math.max(this.#newest.pods, ...this.#older.map(({ pods }) => pods));
  }

  /** Takes a topology that a gateway pod named as its newest. */
  learn(topology: TopologyRecord): Learned {
    const { epoch } = this.#newest;
    if (topology.epoch === epoch && !this.#isNewest(topology)) return 'conflict';
    if (topology.epoch === epoch || (this.#named && topology.epoch < epoch)) {
      this.#named ||= topology.epoch === epoch;
      return 'known';
    }
    this.#older = topology.epoch < epoch ? [] : [...this.#older, this.#newest.toRecord()];
    this.#newest = topologyOf(topology);
    this.#named = true;
    return 'new';
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
      this.#older = union(learned === 'new' ? [] : this.#older, chain.slice(0, -1));
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
