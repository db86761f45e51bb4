import { setTimeout as delay } from 'node:timers/promises';
import type { GatewayResponse } from '../../link/message.ts';
import { everyPod, newest } from '../../moving/authority.ts';
import { beginFinish, endsEarly, finish } from '../../moving/finish.ts';
import type { Message } from '../../moving/messages.ts';
import { repeat } from '../../moving/repeat.ts';
import { adoptTopology, newsOf, settle } from '../../moving/topologies.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import type { Registry } from '../../observability/metrics.ts';
import { asVariables, type TopologyRecord } from '../../routing/topology.ts';
import type { Peers } from '../discord/peers.ts';
import type { EventHandover, OfferedEvents } from '../discord-seam.ts';
import type { Store } from '../store/store.ts';
import { Candidates } from './candidates.ts';
import { Conversation } from './conversation.ts';
import { OutgoingCopies } from './copies.ts';
import { Giver } from './giver.ts';
import type { GuildActivity } from './guild-activity.ts';
import type { GuildOwnership } from './guild-ownership.ts';
import { createMoveMetrics } from './metrics.ts';
import { absentPods, moveProblem, recoveryProblem, unconfirmedGuilds } from './move-status.ts';
import { RecordPruning } from './record-pruning.ts';

export interface GuildMovesOptions {
  /** From this pod's environment. */
  readonly given: TopologyRecord;
  readonly ownership: GuildOwnership;
  readonly activity: GuildActivity;
  readonly store: Pick<Store, 'mover' | 'guilds' | 'incarnation'>;
  readonly peers: Peers;
  /** Why no guild may come or go at present; null: guilds may move. */
  readonly notNow: () => string | null;
  /** Of this pod's sessions: the events of guilds that move. */
  readonly handover: () => EventHandover;
  /** Guilds have come, and are served from now on. */
  readonly onArrived: (guildIds: readonly string[]) => void;
  /** Guilds have been given away. */
  readonly onLeft: (guildIds: readonly string[]) => void;
  /** An operator vouches for pods that do not answer. */
  readonly confirmed: boolean;
  readonly registry: Registry;
  readonly log: Logger;
}

/** Between two rounds: while guilds move, and otherwise. */
const MOVING_PAUSE_MS = 200;
const IDLE_PAUSE_MS = 1_000;
/** How long a pod that is about to be done waits for handlers. Requests of new guilds wait meanwhile. */
const CLOSING_MS = 1_000;
/** Rows that are removed between two rounds: few enough not to delay requests noticeably. */
const LEFTOVER_ROWS = 200;
const LEFTOVER_STEPS = 5;
/** Until then, a pod that cannot be asked what it holds may still be starting. */
const CONFIRM_AFTER_ROUNDS = 5;

/** Runs the protocol of moves (`src/moving`) in this pod: sends and receives its messages, and moves the rows. */
export class GuildMoves {
  readonly #options: GuildMovesOptions;
  readonly #conversation: Conversation;
  readonly #candidates: Candidates;
  readonly #giver: Giver;
  readonly #recordPruning: RecordPruning;
  readonly #stopping = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** The epoch that the candidates were looked up for. */
  #scanned = 0;
  /** Pods that did not answer when they were last told the news. */
  readonly #silent = new Set<number>();
  #rounds = 0;
  #refusal: string | null = null;

  constructor(options: GuildMovesOptions) {
    this.#options = options;
    const { ownership, store, activity, peers, registry, notNow, handover, onArrived, onLeft, log } = options;
    const { mover } = store;
    const outgoing = new OutgoingCopies(mover);
    this.#candidates = new Candidates(ownership, () => store.guilds.all());
    this.#recordPruning = new RecordPruning(ownership, mover);
    const metrics = createMoveMetrics(registry, {
      toMove: () => this.#candidates.size,
      unconfirmed: () => unconfirmedGuilds(ownership.state),
    });
    this.#conversation = new Conversation({
      ...{ ownership, store, peers, outgoing, notNow, handover, onLeft, log, stopping: this.#stopping.signal },
      onArrived: (guildIds) => {
        metrics.arrived.inc(guildIds.length);
        onArrived(guildIds);
      },
      onNews: () => this.#topologyChanged(),
    });
    this.#giver = new Giver({
      ...{ incarnation: store.incarnation, ownership, activity, mover, log },
      ...{ candidates: this.#candidates, copies: outgoing, courier: this.#conversation.courier, metrics },
      sizeOf: (guildId, limit) => mover.sizeOf([guildId], limit),
      receive: (from, reply) => this.#conversation.receiveReply(from, reply),
      offeredTo: (owner) => this.#offeredTo(owner),
    });
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Gives nothing more away. What is on its way ends, or is done again by the next process. */
  async stop(): Promise<void> {
    const { ownership, log } = this.#options;
    if (!this.#stopping.signal.aborted && endsEarly(ownership.state)) {
      const why =
        'this pod ends before it has given its guilds away: they are away until it runs again with its volume';
      log.error({ toMove: this.#candidates.size }, why);
    }
    this.#stopping.abort();
    this.#wake.abort();
    await this.#running;
  }

  /** Plain data for `/_guildway/state`. */
  state(): unknown {
    const { ownership } = this.#options;
    const { chain, done, recovering, records } = ownership.state;
    const byState = Map.groupBy(records.values(), ({ state }) => state);
    const count = (state: string): number => byState.get(state as 'here')?.length ?? 0;
    return {
      topologies: chain,
      done: [...done].map(([pod, epochs]) => ({ pod, epochs: [...epochs] })),
      recovering: [...recovering],
      toMove: this.#candidates.size,
      leaving: ownership.state.leaving.size,
      ...{ moved: count('moved'), arrived: count('here'), arriving: count('arriving'), awaiting: count('awaiting') },
      unconfirmed: unconfirmedGuilds(ownership.state),
      troubles: this.#candidates.troubles(this.#silent),
      problem: this.problem,
    };
  }

  /** Why the topology that this pod was given is not in use, as a sentence; null if it is, or will be. */
  get problem(): string | null {
    const { given, ownership } = this.#options;
    return this.#refusal ?? moveProblem(ownership.state, given, this.#silent);
  }

  /** Why this pod serves nothing after its volume was restored, as a sentence; null: it serves. */
  get recovery(): string | null {
    const { given, ownership } = this.#options;
    return recoveryProblem(ownership.state, given);
  }

  /** `POST /_guildway/moves` */
  serve(body: Buffer): Promise<GatewayResponse> {
    return this.#conversation.serve(body);
  }

  async #run(): Promise<void> {
    const { log } = this.#options;
    while (!this.#stopping.signal.aborted) {
      this.#wake = new AbortController();
      let pauseMs = IDLE_PAUSE_MS;
      try {
        const { state } = this.#options.ownership;
        await this.#round();
        if (state.chain.length > 1 || state.recovering.size > 0) pauseMs = MOVING_PAUSE_MS;
      } catch (error) {
        log.error({ err: errorFacts(error) }, 'moving guilds failed; trying again');
      }
      if (this.#stopping.signal.aborted) return;
      await delay(pauseMs, undefined, { signal: this.#wake.signal, ref: false }).catch(() => {});
    }
  }

  async #round(): Promise<void> {
    const { ownership, given } = this.#options;
    const { state } = ownership;
    if (ownership.ordinal === 0) this.#adopt();
    const settled = settle(state);
    if (settled.writes.length > 0) {
      ownership.commit(settled);
      this.#topologyChanged();
    }
    await this.#conversation.sendAll(repeat(state).sends);
    this.#recordPruning.step();
    this.#confirmSilent();
    this.#removeLeftovers();
    if (!ownership.isMoving && given.epoch <= newest(state).epoch) return;
    await this.#tellNews();
    if (ownership.isMoving && state.recovering.size === 0) await this.#give();
  }

  /** Pod 0 decides which topology comes next: the one that it was given, if it is newer. */
  #adopt(): void {
    const { ownership, given, log } = this.#options;
    const step = adoptTopology(ownership.state, given);
    if ('refused' in step) {
      // An older number in the environment is no problem: the newer one is in force.
      this.#refusal = ownership.state.recovering.size > 0 ? step.refused : null;
      return;
    }
    this.#refusal = null;
    if (step.writes.length === 0) return;
    ownership.commit(step);
    log.info({ topologies: ownership.chain.map(asVariables) }, 'guilds begin to move to the pods of a new topology');
    this.#topologyChanged();
  }

  async #tellNews(): Promise<void> {
    const { ownership, given } = this.#options;
    const pods = new Set([...everyPod({ chain: [given, ...ownership.chain] })]);
    pods.delete(ownership.ordinal);
    const news: Message = { kind: 'news', news: newsOf(ownership.state) };
    await Promise.all(
      [...pods].map(async (pod) => {
        if (await this.#conversation.exchange(pod, news, [])) this.#silent.delete(pod);
        else this.#silent.add(pod);
      }),
    );
  }

  async #give(): Promise<void> {
    const { ownership, notNow, handover } = this.#options;
    const { state } = ownership;
    const { epoch, pods } = newest(state);
    if (state.done.get(ownership.ordinal)?.has(epoch) === true || notNow() !== null) return;
    // Events must not fall between two pods.
    if (handover().recordedMs === null) return;
    if (this.#scanned !== epoch || this.#candidates.size === 0) {
      const left = await this.#candidates.scan();
      this.#scanned = epoch;
      const others = Array.from({ length: pods }, (_, pod) => pod).filter((pod) => pod !== ownership.ordinal);
      if (left === 0 && others.every((pod) => this.#conversation.holdingOf(pod) !== null)) return this.#finish();
    }
    // One batch at a time: several would wait for each other's transactions, and their guilds with them.
    const isEnded = (): boolean => this.#stopping.signal.aborted || newest(state).epoch !== epoch || notNow() !== null;
    const refusing = new Set(this.#silent);
    for (;;) {
      // The guilds of a pod that is away are served here meanwhile, without a pause.
      const owners = this.#candidates.owners.filter((owner) => !refusing.has(owner) && this.#offeredTo(owner) !== null);
      if (owners.length === 0) break;
      for (const owner of owners) {
        if (isEnded()) return;
        if (!(await this.#giver.giveSome(owner))) refusing.add(owner);
      }
    }
    if (this.#candidates.size === 0) this.#wakeUp();
  }

  /** What an offer to a pod says about events; null: nothing can be offered to it now. */
  #offeredTo(owner: number): OfferedEvents | null {
    const holding = this.#conversation.holdingOf(owner);
    const { recordedMs } = this.#options.handover();
    return holding === null || recordedMs === null ? null : { holding, recordedMs };
  }

  /** Nothing is left to give: says so to every pod, once no handler runs that could make a row of a guild that belongs elsewhere. */
  async #finish(): Promise<void> {
    const { ownership, activity, log } = this.#options;
    const { state } = ownership;
    ownership.commit(beginFinish(state, false));
    if (!state.closing) return;
    const belongsElsewhere = (guild: string): boolean =>
      state.records.get(guild) === undefined && !ownership.willOwn(guild);
    const patience = AbortSignal.any([AbortSignal.timeout(CLOSING_MS), this.#stopping.signal]);
    while (activity.someBusy(belongsElsewhere) && !patience.aborted) await delay(5, undefined, { ref: false });
    const left = activity.someBusy(belongsElsewhere) || (await this.#candidates.scan()) > 0;
    ownership.commit(finish(state, left));
    if (left || state.done.get(ownership.ordinal)?.has(newest(state).epoch) !== true) return;
    log.info({ topology: asVariables(newest(state)) }, 'every guild of another pod has been given away');
    this.#wakeUp();
  }

  /** Some of the rows of guilds that are not this pod's; pruning removes the rest. */
  #removeLeftovers(): void {
    const { mover } = this.#options.store;
    for (let i = 0; i < LEFTOVER_STEPS && mover.removeLeftovers(LEFTOVER_ROWS) > 0; i++);
  }

  /** An operator says that pods which do not answer hold nothing. */
  #confirmSilent(): void {
    const { ownership, confirmed, log } = this.#options;
    const { state } = ownership;
    const { recovering } = state;
    const neverDone = absentPods(state, this.#silent);
    if (!confirmed || recovering.size + neverDone.length === 0 || ++this.#rounds < CONFIRM_AFTER_ROUNDS) return;
    const pods = [...recovering.union(new Set(neverDone))];
    log.warn({ pods }, 'not waiting for these pods, as TOPOLOGY_CONFIRMED says');
    const { epoch } = newest(state);
    const heard = [...recovering].map((pod) => ({ kind: 'heard', pod }) as const);
    const done = neverDone.map((pod) => ({ kind: 'done', pod, epoch }) as const);
    ownership.commit({ writes: [...heard, ...done], sends: [] });
  }

  #topologyChanged(): void {
    const { ownership, log } = this.#options;
    const { chain } = ownership;
    if (chain.length === 1)
      log.info({ topology: asVariables(chain[0]) }, 'every guild is at its owner: the topology is in force');
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake.abort();
  }
}
