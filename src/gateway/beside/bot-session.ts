import { randomBytes } from 'node:crypto';
import type { BotConnection } from './bot-connection.ts';

/** Events that a session keeps for a RESUME. */
const MAX_KEPT = 2_000;
const MAX_KEPT_BYTES = 8 * 1024 * 1024;

/**
 * - `waiting`: the bot has identified, and the pod does not know all of its guilds yet
 * - `greeting`: READY and the guilds are being sent; no event may overtake them
 * - `ready`: gets events
 */
export type SessionState = 'waiting' | 'greeting' | 'ready';

interface Kept {
  readonly sequence: number;
  readonly frame: string;
}

/** A session of the bot at the local gateway. It outlives its connection for a while, like one of Discord. */
export class BotSession {
  readonly id = randomBytes(16).toString('hex');
  state: SessionState = 'waiting';
  /** What READY has shown has changed since: the bot must identify again. */
  isOutdated = false;
  /** Null: the bot is disconnected. */
  connection: BotConnection | null;
  #sequence = 0;
  #kept: Kept[] = [];
  #keptBytes = 0;

  constructor(connection: BotConnection) {
    this.connection = connection;
  }

  /** Whether the bot gets an event at once. */
  get isReceiving(): boolean {
    return this.state === 'ready' && this.connection !== null;
  }

  /** Sends an event, and keeps it for a RESUME. @param data JSON */
  dispatch(name: string, data: string): void {
    const sequence = ++this.#sequence;
    const frame = `{"op":0,"t":"${name}","s":${sequence},"d":${data}}`;
    this.connection?.send(frame);
    // A bot that misses part of its guilds identifies again.
    if (this.state !== 'ready') return;
    this.#kept.push({ sequence, frame });
    this.#keptBytes += frame.length;
    this.#forget();
  }

  /** Resumes the session on a new connection. @returns false if events after `sequence` are not kept any more */
  resume(connection: BotConnection, sequence: number): boolean {
    const oldest = this.#kept[0]?.sequence ?? this.#sequence + 1;
    if (this.state !== 'ready' || sequence > this.#sequence || sequence + 1 < oldest) return false;
    this.connection?.close(4000, 'resumed on another connection');
    this.connection = connection;
    for (const kept of this.#kept) if (kept.sequence > sequence) connection.send(kept.frame);
    return true;
  }

  #forget(): void {
    while (this.#kept.length > MAX_KEPT || (this.#keptBytes > MAX_KEPT_BYTES && this.#kept.length > 1)) {
      this.#keptBytes -= this.#kept.shift()?.frame.length ?? 0;
    }
  }
}
