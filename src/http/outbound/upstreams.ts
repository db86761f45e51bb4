import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { asVariables, type Topology, type TopologyRecord, topologyText } from '../../routing/topology.ts';
import { type Duration, elapsed, inMs, type MonotonicTime, monotonicNow, NEVER } from '../../time.ts';
import { askTopologies } from './ask-topologies.ts';
import { KnownTopologies, type Learned } from './known-topologies.ts';
import type { Upstream } from './upstream.ts';

export interface UpstreamsOptions {
  /** From the environment. */
  readonly topology: Topology;
  readonly make: (ordinal: number) => Upstream;
  /** How long a gateway pod may take to say which topologies it knows. */
  readonly askTimeoutMs: Duration;
  readonly log: ThrottledLog;
}

/** The interval of the question which topologies the gateway pods know: while guilds move, and otherwise. */
const ASK_MS = 2_000;
const IDLE_ASK_MS = 10_000;
/** An answer that is not older may be used for a request to all pods. */
const FRESH_MS = 1_000;
/** The least interval, however many requests need the answer. */
const ASK_SOON_MS = 50;
/** How long requests to a pod may still run when no topology needs it any more. */
const LINGER_MS = 30_000;
const LINGER_STEP_MS = 100;

/**
 * The gateway pods that this HTTP pod knows: those of the newest topology, and those of older ones until a gateway pod says that no guild
 * is left to move. They come and go while requests run.
 */
export class Upstreams {
  readonly #options: UpstreamsOptions;
  readonly #topologies: KnownTopologies;
  readonly #list: Upstream[] = [];
  readonly #leaving = new Set<Upstream>();
  #topology: Topology;
  #opened = false;
  #timer: NodeJS.Timeout | null = null;
  #askAt = NEVER;
  /** Rotates through the pods, because one pod may have heard less than another. */
  #asked = 0;
  /** While guilds move: the topologies before the newest one. */
  #older: readonly Topology[] = [];
  #answeredAt: MonotonicTime | null = null;
  #closed = false;

  constructor(options: UpstreamsOptions) {
    this.#options = options;
    this.#topologies = new KnownTopologies(options.topology);
    this.#topology = options.topology;
    this.#fit();
  }

  /** The same array for ever, by ordinal; its length changes. */
  get list(): readonly Upstream[] {
    return this.#list;
  }

  /** The newest topology. */
  get topology(): Topology {
    return this.#topology;
  }

  /**
   * The pod to ask for a guild, or pod 0 for null: its owner under the newest topology. While guilds move and that pod is away, its owner
   * under an older one, which serves the guild until it has given it away.
   * @param guildId a valid guild id
   */
  ownerOf(guildId: string | null): Upstream {
    const owner = this.#list[this.#topology.ownerOf(guildId)] as Upstream;
    if (this.#older.length === 0 || owner.live) return owner;
    const older = this.#older.map((topology) => this.#list[topology.ownerOf(guildId)]);
    return older.findLast((upstream) => upstream?.live === true) ?? owner;
  }

  /** Takes a topology that a gateway pod named as its newest. @param from the ordinal of that pod */
  learn(topology: TopologyRecord, from: number): Learned {
    const learned = this.#topologies.learn(topology);
    this.#take(learned, from, topology);
    return learned;
  }

  /**
   * A gateway pod has connected. What its environment says is not what the pods have agreed on, so that is asked for if it differs.
   * @param from its ordinal
   */
  connected(from: number, topology: TopologyRecord): void {
    const { epoch } = this.#topology;
    if (topology.epoch !== epoch) this.askSoon();
    else if (topologyText(topology) !== topologyText(this.#topology)) {
      const facts = { pod: from, ours: asVariables(this.#topology), theirs: asVariables(topology) };
      this.#options.log.warn(facts, 'a gateway pod has another topology of the same epoch; it decides what it owns');
    }
  }

  /** Asks soon which topologies the gateway pods know: one of them named a pod that this pod does not know. */
  askSoon(): void {
    this.#askIn(ASK_SOON_MS);
  }

  /** Connects in advance to all pods. Never rejects. */
  async open(): Promise<void> {
    this.#opened = true;
    await Promise.allSettled(this.#list.map((upstream) => upstream.open()));
    this.#askLater();
  }

  /** All pods that may have guilds now. Asks a pod which topologies there are, unless one has just said so. Never rejects. */
  async every(): Promise<readonly Upstream[]> {
    if (this.#answeredAt === null || elapsed(this.#answeredAt) > FRESH_MS) await this.#ask();
    return this.#list;
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await Promise.all([...this.#list, ...this.#leaving].map((upstream) => upstream.close()));
  }

  #take(learned: Learned, from: number, topology: TopologyRecord): void {
    this.#older = this.#topologies.older;
    if (learned === 'new') {
      this.#topology = this.#topologies.newest;
      this.#options.log.info({ pod: from, topology: asVariables(topology) }, 'takes the topology of the gateway pods');
    }
    this.#fit();
    this.#askLater();
  }

  /** Makes the pods that the topologies need, and lets the others go. */
  #fit(): void {
    const { pods } = this.#topologies;
    while (this.#list.length < pods) {
      const upstream = this.#options.make(this.#list.length);
      this.#list.push(upstream);
      if (this.#opened) void upstream.open().catch(() => {});
    }
    for (const upstream of this.#list.splice(pods)) void this.#letGo(upstream);
  }

  /** Closes the connections to a pod when its last request has ended. */
  async #letGo(upstream: Upstream): Promise<void> {
    this.#leaving.add(upstream);
    for (let waited = 0; waited < LINGER_MS && !this.#closed; waited += LINGER_STEP_MS) {
      if ((upstream.link?.inFlight ?? 0) === 0) break;
      await new Promise((resolve) => setTimeout(resolve, LINGER_STEP_MS).unref());
    }
    await upstream.close();
    this.#leaving.delete(upstream);
  }

  #askLater(): void {
    this.#askIn(this.#topologies.isMoving ? ASK_MS : IDLE_ASK_MS);
  }

  /** Asks in `ms`, or earlier if that is planned. */
  #askIn(ms: Duration): void {
    const at = inMs(ms);
    if (this.#closed || (this.#timer !== null && this.#askAt <= at)) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#askAt = at;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#ask();
    }, ms).unref();
  }

  /** Asks one pod which topologies it knows, and goes on while guilds move. */
  async #ask(): Promise<void> {
    const ready = this.#list.filter(({ link }) => link?.state === 'ready');
    const upstream = ready[this.#asked++ % ready.length];
    try {
      const chain = upstream === undefined ? null : await askTopologies(upstream, this.#options.askTimeoutMs);
      if (upstream !== undefined && chain !== null && !this.#closed) {
        const last = chain.at(-1) ?? chain[0];
        this.#answeredAt = monotonicNow();
        this.#take(this.#topologies.learnChain(chain), upstream.ordinal, last);
      }
    } catch {
      // The next question goes to another pod.
    }
    this.#askLater();
  }
}
