import type { Message } from '../../moving/messages.ts';
import { PATH } from '../../protocol/paths.ts';
import type { Duration } from '../../time.ts';
import type { Peers } from '../discord/peers.ts';
import type { OfferedEvents } from '../discord-seam.ts';
import { decodeReply, type Envelope, encodeEnvelope, type LivePart, type Reply } from './envelope.ts';

export interface CourierOptions {
  readonly ordinal: number;
  /** Identifies this process. */
  readonly process: string;
  readonly peers: Peers;
  /** Aborts when this pod ends. */
  readonly stopping: AbortSignal;
}

/** How long the other pod may take to write rows of guilds that are served meanwhile, or that it lost. */
const ROWS_MS = 5_000;
/** The same for guilds that wait. A pod that hangs must not hold them longer than an interaction may wait. */
const OFFER_MS = 1_000;
const MESSAGE_MS = 1_500;

/** Carries messages about moving guilds to other gateway pods. Each may be lost: the protocol repeats them. */
export class Courier {
  readonly #options: CourierOptions;

  constructor(options: CourierOptions) {
    this.#options = options;
  }

  /**
   * @param guildsWait the guilds of the message are not served meanwhile
   * @returns null: no answer, or none that this version understands. The other pod may have received it.
   */
  async send(
    to: number,
    content: Message | LivePart,
    chunks: readonly Uint8Array[] = [],
    {
      guildsWait = false,
      events = null,
    }: { readonly guildsWait?: boolean; readonly events?: OfferedEvents | null } = {},
  ): Promise<Reply | null> {
    const { ordinal, process, peers, stopping } = this.#options;
    if (stopping.aborted) return null;
    const envelope: Envelope = { from: ordinal, process, content, chunks, events };
    const waitMs: Duration = chunks.length === 0 ? MESSAGE_MS : guildsWait ? OFFER_MS : ROWS_MS;
    try {
      const response = await peers.ask(to, {
        ...{ method: 'POST', path: PATH.moves, body: encodeEnvelope(envelope) },
        ...{ waitMs, signal: stopping },
      });
      return response?.status === 200 ? decodeReply(response.body) : null;
    } catch {
      return null;
    }
  }
}
