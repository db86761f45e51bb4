import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { type Duration, monotonicNow } from '../../time.ts';
import { type Compression, type Compressor, createCompressor } from './compression.ts';
import { CLOSE, type ClientPayload, OP, parsePayload } from './protocol.ts';

/** Discord's limit of a client's message. */
const MAX_PAYLOAD = 4_096;
/** Discord's limit of a client's messages in a minute. */
const MAX_MESSAGES = 120;
const WINDOW_MS = 60_000;
/** Unsent bytes above which the bot gets no more events until it has read them. */
const MAX_BACKLOG = 4 * 1024 * 1024;

export interface BotConnectionOptions {
  readonly websocket: WebSocket;
  /** The socket below it. */
  readonly socket: Duplex;
  /** The local gateway's address, as the bot dialled it. */
  readonly url: string;
  readonly compression: Compression;
  readonly heartbeatMs: Duration;
  /** How long the bot may take to identify. */
  readonly identifyMs: Duration;
  readonly onPayload: (connection: BotConnection, payload: ClientPayload) => void;
  readonly onClose: (connection: BotConnection, why: CloseReason) => void;
  /** The bot has read what it was sent. */
  readonly onDrain: () => void;
}

/** `silent`: the bot has missed its heartbeats. */
export type CloseReason = 'closed' | 'silent';

/** One websocket of the bot: its messages, its heartbeats, and the limits on both. */
export class BotConnection {
  readonly #options: BotConnectionOptions;
  readonly #compressor: Compressor | null;
  #timer: NodeJS.Timeout;
  #identified = false;
  #corked = false;
  #reason: CloseReason = 'closed';
  #messages = 0;
  #windowEndsAt = 0;

  constructor(options: BotConnectionOptions) {
    this.#options = options;
    const { websocket, socket, compression, heartbeatMs, identifyMs } = options;
    this.#compressor =
      compression === null
        ? null
        : createCompressor(
            compression,
            (message) => websocket.send(message, { binary: true }),
            () => websocket.terminate(),
          );
    this.#timer = setTimeout(() => this.#onSilence(), identifyMs).unref();
    websocket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    websocket.on('error', () => {});
    websocket.on('close', () => {
      clearTimeout(this.#timer);
      this.#compressor?.close();
      options.onClose(this, this.#reason);
    });
    socket.on('drain', options.onDrain);
    this.sendOp(OP.hello, { heartbeat_interval: heartbeatMs, _trace: ['["guildway"]'] });
  }

  get url(): string {
    return this.#options.url;
  }

  /** Whether the bot reads what it is sent. */
  get hasRoom(): boolean {
    return this.#options.websocket.bufferedAmount < MAX_BACKLOG;
  }

  send(frame: string): void {
    const { websocket } = this.#options;
    if (websocket.readyState !== websocket.OPEN) return;
    if (this.#compressor === null) {
      this.#writeTogether();
      websocket.send(frame);
    } else this.#compressor.write(frame);
  }

  /** Writes what one turn sends with one system call. */
  #writeTogether(): void {
    if (this.#corked) return;
    const { socket } = this.#options;
    this.#corked = true;
    socket.cork();
    process.nextTick(() => {
      this.#corked = false;
      socket.uncork();
    });
  }

  sendOp(op: number, data: unknown): void {
    this.send(JSON.stringify({ op, d: data, s: null, t: null }));
  }

  /** The bot has a session: from now on it must send heartbeats. */
  identified(): void {
    this.#identified = true;
    this.#expectHeartbeat();
  }

  close(code: number, reason: string): void {
    this.#options.websocket.close(code, reason);
  }

  terminate(): void {
    this.#options.websocket.terminate();
  }

  #receive(data: RawData, isBinary: boolean): void {
    const { websocket, onPayload } = this.#options;
    if (websocket.readyState !== websocket.OPEN) return;
    const bytes = data as Buffer;
    if (this.#isFlood()) {
      this.close(CLOSE.rateLimited, 'Rate limited.');
      return;
    }
    const payload = bytes.length > MAX_PAYLOAD || isBinary ? null : parsePayload(bytes.toString());
    if (payload === null) {
      this.close(CLOSE.decodeError, 'Error while decoding payload.');
    } else if (payload.op === OP.heartbeat) {
      if (this.#identified) this.#expectHeartbeat();
      this.sendOp(OP.heartbeatAck, null);
    } else {
      onPayload(this, payload);
    }
  }

  #isFlood(): boolean {
    const now = monotonicNow();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + WINDOW_MS;
      this.#messages = 0;
    }
    return ++this.#messages > MAX_MESSAGES;
  }

  #expectHeartbeat(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onSilence(), 2.5 * this.#options.heartbeatMs).unref();
  }

  #onSilence(): void {
    this.#reason = 'silent';
    const { websocket } = this.#options;
    websocket.close(CLOSE.sessionTimedOut, 'Session timed out.');
    // A bot that hangs does not answer the closing handshake.
    setTimeout(() => websocket.terminate(), 1_000).unref();
  }
}
