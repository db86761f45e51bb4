import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { errorCode, GuildwayError } from '../../errors.ts';
import type { GatewayResponse } from '../../link/message.ts';
import { everyPod, newest, ownerByTopology } from '../../moving/authority.ts';
import { beginFinish, finish } from '../../moving/finish.ts';
import type { Message, Send } from '../../moving/messages.ts';
import { receive } from '../../moving/receive.ts';
import { repeat } from '../../moving/repeat.ts';
import { adoptTopology, newsOf, settle } from '../../moving/topologies.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import type { Registry } from '../../observability/metrics.ts';
import { asVariables, fingerprintOf, type TopologyRecord } from '../../routing/topology.ts';
import type { Peers } from '../discord/peers.ts';
import { problem } from '../dispatch/responses.ts';
import type { Store } from '../store/store.ts';
import { Candidates } from './candidates.ts';
import { IncomingCopies, OutgoingCopies } from './copies.ts';
import { Courier } from './courier.ts';
import { decodeEnvelope, type Envelope, encodeReply, isLivePart, type Reply } from './envelope.ts';
import { Giver } from './giver.ts';
import type { GuildActivity } from './guild-activity.ts';
import type { GuildOwnership } from './guild-ownership.ts';
import { createMoveMetrics, type MoveMetrics } from './metrics.ts';
import { Senders } from './senders.ts';

export interface GuildMovesOptions {
  /** From this pod's environment. */
  readonly given: TopologyRecord;
  readonly ownership: GuildOwnership;
  readonly activity: GuildActivity;
  readonly store: Pick<Store, 'mover' | 'guilds' | 'incarnation'>;
  readonly peers: Peers;
  /** Why no guild may come or go at present; null: guilds may move. */
  readonly notNow: () => string | null;
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
  readonly #courier: Courier;
  readonly #outgoing: OutgoingCopies;
  readonly #incoming: IncomingCopies;
  readonly #candidates: Candidates;
  readonly #giver: Giver;
  readonly #senders = new Senders();
  readonly #process = randomUUID();
  readonly #metrics: MoveMetrics;
  readonly #stopping = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** The epoch that the candidates were looked up for. */
  #scanned = 0;
  #rounds = 0;
  #refusal: string | null = null;

  constructor(options: GuildMovesOptions) {
    this.#options = options;
    const { ownership, store, activity, peers, registry, log } = options;
    const { mover } = store;
    this.#outgoing = new OutgoingCopies(mover);
    this.#incoming = new IncomingCopies(mover);
    this.#candidates = new Candidates(ownership, () => store.guilds.all());
    this.#metrics = createMoveMetrics(registry, {
      toMove: () => this.#candidates.size,
      unconfirmed: () => this.#unconfirmed,
    });
    this.#courier = new Courier({
      ...{ ordinal: ownership.ordinal, process: this.#process, peers, stopping: this.#stopping.signal },
    });
    this.#giver = new Giver({
      ...{ incarnation: store.incarnation, ownership, activity, mover, log },
      ...{ candidates: this.#candidates, copies: this.#outgoing, courier: this.#courier, metrics: this.#metrics },
      sizeOf: (guildIds, limit) => mover.sizeOf(guildIds, limit),
      receive: (from, reply) => this.#receiveReply(from, reply),
    });
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Gives nothing more away. What is on its way ends, or is done again by the next process. */
  async stop(): Promise<void> {
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
      unconfirmed: this.#unconfirmed,
      troubles: this.#candidates.troubles(),
      problem: this.problem,
    };
  }

  /** Why the topology that this pod was given is not in use, as a sentence; null if it is, or will be. */
  get problem(): string | null {
    const { given, ownership } = this.#options;
    const known = ownership.chain.find(({ epoch }) => epoch === given.epoch);
    if (known !== undefined && fingerprintOf(known) !== fingerprintOf(given)) {
      const next = newest(ownership.state).epoch + 1;
      return `this pod was given ${asVariables(given)}, but the rows are placed under ${asVariables(known)}: they go on being served there. To move them, set TOPOLOGY_EPOCH=${next}`;
    }
    return this.#refusal;
  }

  /** Why this pod serves nothing after its volume was restored, as a sentence; null: it serves. */
  get recovery(): string | null {
    const { recovering } = this.#options.ownership.state;
    if (recovering.size === 0) return null;
    const pods = [...recovering].map((pod) => `gateway-${pod}`).join(', ');
    return `the volume is new or was restored: waiting for ${pods} to say which guilds moved. If they cannot answer and have no guilds of this pod, set TOPOLOGY_CONFIRMED=${fingerprintOf(this.#options.given)}`;
  }

  /** `POST /_guildway/moves` */
  async serve(body: Buffer): Promise<GatewayResponse> {
    let envelope: Envelope;
    try {
      envelope = decodeEnvelope(body);
    } catch (error) {
      if (errorCode(error) === 'REQUEST_INVALID') return problem(400, (error as Error).message);
      throw error;
    }
    const reply = this.#take(envelope);
    return { status: 200, headers: ['content-type', 'application/json'], body: encodeReply(reply) };
  }

  get #unconfirmed(): number {
    let unconfirmed = 0;
    for (const record of this.#options.ownership.state.records.values())
      if (record.state === 'moved' && !record.confirmed) unconfirmed++;
    return unconfirmed;
  }

  #take({ from, process, content, chunks }: Envelope): Reply {
    const nothing: Reply = { process: this.#process, messages: [], refused: null };
    if (!this.#senders.admits(from, process, !isLivePart(content) && content.kind === 'recover')) return nothing;
    try {
      if (isLivePart(content)) return { ...nothing, refused: this.#takePart(content.guild, content, chunks) };
      const sends = this.#receive(from, content, chunks);
      const messages = sends.filter(({ to }) => to === from).map(({ message }) => message);
      if (content.kind === 'news') messages.push({ kind: 'news', news: newsOf(this.#options.ownership.state) });
      void this.#sendAll(sends.filter(({ to }) => to !== from));
      return { ...nothing, messages };
    } catch (error) {
      const { log } = this.#options;
      if (!(error instanceof GuildwayError)) throw error;
      log.warn({ from, err: errorFacts(error) }, 'guilds of another pod were not taken');
      return { ...nothing, refused: error.message };
    }
  }

  #takePart(
    guild: string,
    { attempt, part }: { attempt: readonly [number, number]; part: number },
    chunks: readonly Uint8Array[],
  ): string | null {
    const { ownership, notNow } = this.#options;
    if (ownership.owns(guild)) return `guild ${guild} is this pod's`;
    const why = notNow();
    if (why !== null) return why;
    return this.#incoming.take(guild, attempt, part, chunks) ? null : `part ${part} of guild ${guild} has no beginning`;
  }

  /** @throws GuildwayError when the rows of an offer cannot be taken, or the database refuses; nothing has changed then */
  #receive(from: number, message: Message, chunks: readonly Uint8Array[]): readonly Send[] {
    const { ownership, store, notNow, onArrived, onLeft, log } = this.#options;
    if (message.kind === 'offer') {
      const why = notNow();
      if (why !== null) throw new GuildwayError('MOVE_REFUSED', why);
    }
    const before = ownership.chain;
    const wasRecovering = ownership.state.recovering.size > 0;
    const step = receive(ownership.state, from, message, ownerByTopology);
    const guilds = step.writes.flatMap((write) => (write.kind === 'record' ? [write.guild] : []));
    switch (message.kind) {
      case 'offer': {
        if (guilds.length === 0) return ownership.commit(step);
        const [guild] = guilds;
        const live = guilds.length === 1 ? this.#incoming.find(guild as string, message.attempt) : null;
        const sends = ownership.commit(step, (recorded) => {
          if (live === null) store.mover.importGuilds(chunks, recorded);
          else live.finish(chunks, recorded);
        });
        for (const imported of guilds) this.#incoming.drop(imported);
        return sends;
      }
      case 'stored': {
        if (guilds.length === 0) return ownership.commit(step);
        const sends = ownership.commit(step, (recorded) => this.#outgoing.remove(message.attempt, recorded));
        ownership.handOver(guilds);
        onLeft(guilds);
        return sends;
      }
      case 'given': {
        const sends = ownership.commit(step);
        this.#metrics.arrived.inc(guilds.length);
        if (guilds.length > 0) onArrived(guilds);
        return sends;
      }
      case 'active': {
        const sends = ownership.commit(step);
        ownership.handedOver(message.guilds);
        return sends;
      }
      default: {
        const sends = ownership.commit(step);
        if (ownership.chain !== before) this.#topologyChanged();
        if (wasRecovering && ownership.state.recovering.size === 0) {
          log.info('every other pod has said what it holds: this pod serves');
          this.#wakeUp();
        }
        return sends;
      }
    }
  }

  async #receiveReply(from: number, { process, messages }: Reply): Promise<void> {
    if (!this.#senders.admits(from, process, false)) return;
    for (const message of messages) await this.#sendAll(this.#receive(from, message, []));
  }

  async #sendAll(sends: readonly Send[]): Promise<void> {
    await Promise.all(sends.map((send) => this.#send(send)));
  }

  async #send({ to, message }: Send): Promise<void> {
    const { store, log } = this.#options;
    try {
      if (message.kind !== 'offer') {
        await this.#exchange(to, message, []);
        return;
      }
      // The new owner has lost these guilds: it gets the copies that were set aside.
      const wanted = message.guilds.map((guildId) => ({ guildId, epoch: message.epoch }));
      for (const { guildIds, chunks } of store.mover.exportSetAside(wanted)) {
        log.warn(
          { to, guilds: guildIds.length },
          'another pod has lost guilds: it gets the copies that were set aside',
        );
        await this.#exchange(to, { ...message, guilds: guildIds }, chunks);
      }
    } catch (error) {
      log.error({ to, message: message.kind, err: errorFacts(error) }, 'a message about moving guilds was not handled');
    }
  }

  async #exchange(to: number, message: Message, chunks: readonly Uint8Array[]): Promise<void> {
    const reply = await this.#courier.send(to, message, chunks);
    if (reply === null) return;
    if (reply.isEmpty === true && message.kind === 'recover') {
      const nothing: Message = { kind: 'held', news: newsOf(this.#options.ownership.state), guilds: [], gave: [] };
      await this.#sendAll(this.#receive(to, nothing, []));
    } else await this.#receiveReply(to, reply);
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
    await this.#sendAll(repeat(state).sends);
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
    await Promise.all([...pods].map((pod) => this.#exchange(pod, news, [])));
  }

  async #give(): Promise<void> {
    const { ownership, notNow } = this.#options;
    const { state } = ownership;
    const { epoch } = newest(state);
    if (state.done.get(ownership.ordinal)?.has(epoch) === true || notNow() !== null) return;
    if (this.#scanned !== epoch || this.#candidates.size === 0) {
      const left = await this.#candidates.scan();
      this.#scanned = epoch;
      if (left === 0) return this.#finish();
    }
    await Promise.all(
      this.#candidates.owners.map(async (owner) => {
        while (!this.#stopping.signal.aborted && newest(state).epoch === epoch && notNow() === null) {
          if (!(await this.#giver.giveSome(owner))) break;
        }
      }),
    );
    if (this.#candidates.size === 0) this.#wakeUp();
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
    const { recovering } = ownership.state;
    if (!confirmed || recovering.size === 0 || ++this.#rounds < CONFIRM_AFTER_ROUNDS) return;
    log.warn({ pods: [...recovering] }, 'not waiting for these pods, as TOPOLOGY_CONFIRMED says');
    ownership.commit({ writes: [...recovering].map((pod) => ({ kind: 'heard', pod })), sends: [] });
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
