import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Logger } from '../../observability/log.ts';
import type { Duration } from '../../time.ts';
import { BotConnection, type CloseReason } from './bot-connection.ts';
import { BotSession } from './bot-session.ts';
import { compressionOf } from './compression.ts';
import type { GuildCache } from './guild-cache.ts';
import { CLOSE, type ClientPayload, type Identify, OP, parseIdentify, parseResume } from './protocol.ts';

/** Discord's limit is 4,096 bytes. A longer message, up to this, gets Discord's close code. */
const MAX_MESSAGE = 64 * 1024;
/** Sockets that may be open. A bot needs one. */
const MAX_SOCKETS = 16;
const HEARTBEAT_MS = 10_000;
const IDENTIFY_MS = 60_000;
/** How long a session without a connection can be resumed. */
const RETENTION_MS = 60_000;

export interface LocalGatewayOptions {
  readonly token: string;
  readonly guilds: Pick<GuildCache, 'ids' | 'guildCreate'>;
  /**
   * Resolves when the bot may be greeted: no event is being handed over, and all guilds have arrived.
   * @returns the fields of READY that Discord has sent
   */
  readonly whenWelcome: (identify: Identify) => Promise<Readonly<Record<string, unknown>>>;
  /** The bot has its guilds, or the last bot has left. */
  readonly onBot: (event: 'ready' | 'gone' | 'silent') => void;
  /** Events may be handed over again. */
  readonly onRoom: () => void;
  /** A message of the bot for Discord: ops 3, 4, 8 and 31. */
  readonly forward: (payload: ClientPayload) => void;
  readonly heartbeatMs?: Duration;
  readonly log: Logger;
}

/** Discord's gateway as the bot sees it: one shard, with the guilds of this pod. */
export class LocalGateway {
  readonly #options: LocalGatewayOptions;
  readonly #server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE, perMessageDeflate: false });
  readonly #connections = new Set<BotConnection>();
  readonly #sessions = new Set<BotSession>();
  #closed = false;

  constructor(options: LocalGatewayOptions) {
    this.#options = options;
  }

  /** Whether the bot has its guilds and is connected. */
  get isReady(): boolean {
    return this.#sessions.values().some(({ isReceiving }) => isReceiving);
  }

  /** Whether an event may be handed over now. No event overtakes READY, and a bot that does not read gets no more. */
  get mayHandOver(): boolean {
    let receiving = false;
    for (const { state, connection } of this.#sessions) {
      if (connection === null) continue;
      if (state !== 'ready' || !connection.hasRoom) return false;
      receiving = true;
    }
    return receiving;
  }

  /** Takes a websocket. */
  take(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#closed || this.#connections.size >= MAX_SOCKETS) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (websocket) => this.#connect(websocket, request, socket));
  }

  /** Sends an event to every session of the bot that is connected. @returns false if none is */
  dispatch(name: string, data: unknown): boolean {
    const json = JSON.stringify(data);
    let sent = false;
    for (const session of this.#sessions) {
      if (!session.isReceiving) continue;
      session.dispatch(name, json);
      sent = true;
    }
    return sent;
  }

  /** Ends all sessions, so that the bot identifies again and learns of its guilds by READY. */
  invalidate(): void {
    for (const session of this.#sessions) {
      if (session.state === 'greeting') session.isOutdated = true;
      else if (session.state === 'ready') this.#end(session);
    }
  }

  #end(session: BotSession): void {
    this.#sessions.delete(session);
    session.connection?.sendOp(OP.invalidSession, false);
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#connections) {
      connection.close(CLOSE.unknownError, 'the pod ends');
      connection.terminate();
    }
    this.#server.close();
  }

  #connect(websocket: WebSocket, { url = '/', headers }: IncomingMessage, socket: Duplex): void {
    const query = new URLSearchParams(url.slice(url.indexOf('?') + 1));
    if (query.get('encoding') === 'etf') {
      websocket.close(CLOSE.decodeError, 'use encoding=json');
      return;
    }
    const connection = new BotConnection({
      websocket,
      socket,
      url: `ws://${headers.host ?? '127.0.0.1'}`,
      compression: compressionOf(query.get('compress')),
      heartbeatMs: this.#options.heartbeatMs ?? HEARTBEAT_MS,
      identifyMs: IDENTIFY_MS,
      onPayload: (from, payload) => this.#onPayload(from, payload),
      onClose: (from, reason) => this.#onClose(from, reason),
      onDrain: () => this.#options.onRoom(),
    });
    this.#connections.add(connection);
  }

  #onPayload(connection: BotConnection, payload: ClientPayload): void {
    const session = this.#sessionOf(connection);
    switch (payload.op) {
      case OP.identify:
        if (session !== null) connection.close(CLOSE.alreadyAuthenticated, 'Already authenticated.');
        else this.#identify(connection, payload.d);
        return;
      case OP.resume:
        if (session !== null) connection.close(CLOSE.alreadyAuthenticated, 'Already authenticated.');
        else this.#resume(connection, payload.d);
        return;
      case OP.presence:
      case OP.voiceState:
      case OP.requestMembers:
      case OP.requestSoundboard:
        if (session === null) connection.close(CLOSE.notAuthenticated, 'Not authenticated.');
        else this.#options.forward(payload);
        return;
      default:
        connection.close(CLOSE.unknownOpcode, 'Unknown opcode.');
    }
  }

  #identify(connection: BotConnection, data: unknown): void {
    const { token, log } = this.#options;
    const identify = parseIdentify(data);
    if (identify === null) {
      connection.close(CLOSE.decodeError, 'Error while decoding payload.');
    } else if (identify.token !== token) {
      log.error('the bot logs in with a token that is not DISCORD_TOKEN');
      connection.close(CLOSE.authenticationFailed, 'Authentication failed.');
    } else if (identify.shard[1] !== 1 || identify.shard[0] !== 0) {
      log.error({ shard: identify.shard }, 'the bot asks for shards: it has one here, so remove its sharding options');
      connection.close(CLOSE.invalidShard, 'Invalid shard.');
    } else {
      connection.identified();
      const session = new BotSession(connection);
      this.#sessions.add(session);
      this.#greet(session, identify).catch((error: unknown) => {
        log.error({ err: error }, 'the bot could not be greeted');
        this.#sessions.delete(session);
        connection.close(CLOSE.unknownError, 'Unknown error.');
      });
    }
  }

  /** Sends READY and the guilds. */
  async #greet(session: BotSession, identify: Identify): Promise<void> {
    const { whenWelcome, guilds, onBot, onRoom } = this.#options;
    const welcome = await whenWelcome(identify);
    session.state = 'greeting';
    // A bot that identifies has forgotten its former session.
    for (const former of this.#sessions) if (former.connection === null) this.#sessions.delete(former);
    const ids = guilds.ids();
    session.dispatch(
      'READY',
      JSON.stringify({
        ...welcome,
        session_id: session.id,
        resume_gateway_url: session.connection?.url,
        shard: identify.shard,
        guilds: ids.map((id) => ({ id, unavailable: true })),
      }),
    );
    for (const [index, id] of ids.entries()) {
      const guild = guilds.guildCreate(id);
      if (guild !== null) session.dispatch('GUILD_CREATE', JSON.stringify(guild));
      // Other requests get their turn, and the bot time to read.
      if (index % 16 === 15) await nextTurn();
      while (session.connection?.hasRoom === false) await nextTurn(10);
      if (session.connection === null) break;
    }
    session.state = 'ready';
    if (session.connection === null) this.#sessions.delete(session);
    else if (session.isOutdated) this.#end(session);
    else onBot('ready');
    onRoom();
  }

  #resume(connection: BotConnection, data: unknown): void {
    const resume = parseResume(data);
    if (resume?.token !== this.#options.token) {
      connection.close(CLOSE.authenticationFailed, 'Authentication failed.');
      return;
    }
    const session = this.#sessions.values().find(({ id }) => id === resume.sessionId);
    if (session?.resume(connection, resume.sequence) !== true) {
      if (session !== undefined) this.#sessions.delete(session);
      connection.sendOp(OP.invalidSession, false);
      return;
    }
    connection.identified();
    session.dispatch('RESUMED', '{"_trace":["[\\"guildway\\"]"]}');
    this.#options.onBot('ready');
    this.#options.onRoom();
  }

  #onClose(connection: BotConnection, reason: CloseReason): void {
    this.#connections.delete(connection);
    const session = this.#sessionOf(connection);
    if (session === null) return;
    session.connection = null;
    setTimeout(() => {
      if (session.connection === null) this.#sessions.delete(session);
    }, RETENTION_MS).unref();
    if (!this.isReady) this.#options.onBot(reason === 'silent' ? 'silent' : 'gone');
    // The bot that was being greeted may have held up the others.
    this.#options.onRoom();
  }

  #sessionOf(connection: BotConnection): BotSession | null {
    return this.#sessions.values().find((session) => session.connection === connection) ?? null;
  }
}

const nextTurn = (ms = 0): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());
