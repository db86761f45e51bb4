import { randomUUID } from 'node:crypto';
import { errorCode, GuildwayError } from '../../errors.ts';
import type { GatewayResponse } from '../../link/message.ts';
import { ownerByTopology } from '../../moving/authority.ts';
import type { Message, Send } from '../../moving/messages.ts';
import { receive } from '../../moving/receive.ts';
import { newsOf } from '../../moving/topologies.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { ThrottledLog } from '../../observability/throttled-log.ts';
import type { Peers } from '../discord/peers.ts';
import type { EventHandover, OfferedEvents } from '../discord-seam.ts';
import { problem } from '../dispatch/responses.ts';
import type { Store } from '../store/store.ts';
import { IncomingCopies, type OutgoingCopies } from './copies.ts';
import { Courier } from './courier.ts';
import { decodeEnvelope, type Envelope, encodeReply, isLivePart, type Reply } from './envelope.ts';
import type { GuildOwnership } from './guild-ownership.ts';
import { Senders } from './senders.ts';

export interface ConversationOptions {
  readonly ownership: GuildOwnership;
  readonly store: Pick<Store, 'mover'>;
  readonly peers: Peers;
  readonly outgoing: OutgoingCopies;
  /** Why no guild may come or go at present; null: guilds may move. */
  readonly notNow: () => string | null;
  /** Of this pod's sessions. */
  readonly handover: () => EventHandover;
  /** Guilds have come, and are served from now on. */
  readonly onArrived: (guildIds: readonly string[]) => void;
  /** Guilds have been given away. */
  readonly onLeft: (guildIds: readonly string[]) => void;
  /** The topologies, or what other pods have said about what they hold, have changed. */
  readonly onNews: () => void;
  /** Aborts when this pod ends. */
  readonly stopping: AbortSignal;
  readonly log: Logger;
}

/** Sends and receives the messages of the protocol of moves, and commits what follows from them. */
export class Conversation {
  readonly courier: Courier;
  readonly #options: ConversationOptions;
  readonly #incoming: IncomingCopies;
  readonly #senders = new Senders();
  readonly #process = randomUUID();
  readonly #throttled: ThrottledLog;
  /** By pod: what it holds the events of guilds that are to come under, as of its last reply. */
  readonly #holding = new Map<number, string>();

  constructor(options: ConversationOptions) {
    this.#options = options;
    const { ownership, store, peers, stopping, log } = options;
    this.#incoming = new IncomingCopies(store.mover);
    this.#throttled = new ThrottledLog(log);
    this.courier = new Courier({ ordinal: ownership.ordinal, process: this.#process, peers, stopping });
  }

  /** What a pod holds the events of guilds that are to come under. Null: it does not, or has not said so. */
  holdingOf(pod: number): string | null {
    return this.#holding.get(pod) ?? null;
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

  #take({ from, process, content, chunks, events = null }: Envelope): Reply {
    const { holding } = this.#options.handover();
    const nothing: Reply = { process: this.#process, messages: [], refused: null, holding };
    if (!this.#senders.admits(from, process, !isLivePart(content) && content.kind === 'recover')) return nothing;
    try {
      if (isLivePart(content)) return { ...nothing, refused: this.#takePart(content.guild, content, chunks) };
      const sends = this.#receive(from, content, chunks, events);
      // Rows do not fit into a reply.
      const [inReply, sent] = partition(sends, ({ to, message }) => to === from && message.kind !== 'offer');
      const messages = inReply.map(({ message }) => message);
      if (content.kind === 'news') messages.push({ kind: 'news', news: newsOf(this.#options.ownership.state) });
      void this.sendAll(sent);
      return { ...nothing, messages };
    } catch (error) {
      if (!(error instanceof GuildwayError)) throw error;
      this.#throttled.warn({ from, err: errorFacts(error) }, 'guilds of another pod were not taken');
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
  #receive(
    from: number,
    message: Message,
    chunks: readonly Uint8Array[],
    events: OfferedEvents | null = null,
  ): readonly Send[] {
    const { ownership, store, outgoing, handover, notNow, onArrived, onLeft, onNews } = this.#options;
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
        const why = message.again ? null : handover().refusal(guilds, events);
        if (why !== null) throw new GuildwayError('MOVE_REFUSED', why);
        const [guild] = guilds;
        const live = guilds.length === 1 ? this.#incoming.find(guild as string, message.attempt) : null;
        try {
          return ownership.commit(step, (recorded) => {
            const also = (): void => handover().imported(guilds);
            if (live === null) store.mover.importGuilds(chunks, recorded, also);
            else live.finish(chunks, recorded, also);
          });
        } finally {
          for (const imported of guilds) this.#incoming.drop(imported);
        }
      }
      case 'stored': {
        if (guilds.length === 0) return ownership.commit(step);
        const sends = ownership.commit(step, (recorded) => outgoing.remove(message.attempt, recorded));
        ownership.handOver(guilds);
        onLeft(guilds);
        return sends;
      }
      case 'given': {
        const sends = ownership.commit(step);
        if (guilds.length > 0) onArrived(guilds);
        return sends;
      }
      case 'active': {
        ownership.handedOver(message.guilds);
        return ownership.commit(step);
      }
      case 'gone': {
        const sends = ownership.commit(step);
        if (guilds.length > 0)
          this.#options.log.error(
            { from, guilds },
            'rows of guilds are lost: this volume does not have them, and the pod that gave them away keeps no copy any more. They are served with what is here',
          );
        return sends;
      }
      default: {
        const sends = ownership.commit(step);
        if (ownership.chain !== before) this.dropIncoming();
        const isRecovered = wasRecovering && ownership.state.recovering.size === 0;
        if (isRecovered) this.#options.log.info('every other pod has said what it holds: this pod serves');
        if (isRecovered || ownership.chain !== before) onNews();
        return sends;
      }
    }
  }

  async receiveReply(from: number, { process, messages, holding = null }: Reply): Promise<void> {
    if (!this.#senders.admits(from, process, false)) return;
    if (holding === null) this.#holding.delete(from);
    else this.#holding.set(from, holding);
    for (const message of messages) await this.sendAll(this.#receive(from, message, []));
  }

  /** To each pod one after the other, so that rows for a pod that has lost many guilds are not all in memory at once. */
  async sendAll(sends: readonly Send[]): Promise<void> {
    const byPod = Map.groupBy(sends, ({ to }) => to).values();
    await Promise.all(
      byPod.map(async (toPod) => {
        for (const send of toPod) await this.#send(send);
      }),
    );
  }

  /** Copies that come in parts belong to the newest topology: a newer one ends them. */
  dropIncoming(): void {
    this.#incoming.dropAll();
  }

  async #send({ to, message }: Send): Promise<void> {
    const { store, log } = this.#options;
    try {
      if (message.kind !== 'offer') {
        await this.exchange(to, message, []);
        return;
      }
      // The new owner has lost these guilds: it gets the copies that were set aside.
      const wanted = message.guilds.map((guildId) => ({ guildId, epoch: message.epoch }));
      const gone = new Set(message.guilds);
      for (const { guildIds, chunks } of store.mover.exportSetAside(wanted)) {
        for (const guildId of guildIds) gone.delete(guildId);
        log.warn(
          { to, guilds: guildIds.length },
          'another pod has lost guilds: it gets the copies that were set aside',
        );
        await this.exchange(to, { ...message, guilds: guildIds }, chunks);
      }
      if (gone.size > 0) await this.exchange(to, { kind: 'gone', epoch: message.epoch, guilds: [...gone] }, []);
    } catch (error) {
      log.error({ to, message: message.kind, err: errorFacts(error) }, 'a message about moving guilds was not handled');
    }
  }

  /** Sends a message and takes the reply. @returns false: the pod does not answer */
  async exchange(to: number, message: Message, chunks: readonly Uint8Array[]): Promise<boolean> {
    const reply = await this.courier.send(to, message, chunks);
    if (reply === null) return false;
    if (reply.isEmpty === true && message.kind === 'recover') {
      const nothing: Message = { kind: 'held', news: newsOf(this.#options.ownership.state), guilds: [], gave: [] };
      await this.sendAll(this.#receive(to, nothing, []));
    } else await this.receiveReply(to, reply);
    return true;
  }
}

function partition<Item>(items: readonly Item[], isFirst: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}
