import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Feed } from '../feed.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Dispatch } from '../rest/world-parts.ts';
import type { UnknownRequests } from '../unknown.ts';
import type { Rule, Violations } from '../violations.ts';
import type { World } from '../world/world.ts';
import { isCommand, runCommand, updatePresence } from './commands.ts';
import { type ClientPayload, type Compression, GatewayConnection } from './connection.ts';
import { greet } from './greeting.ts';
import { checkIdentify, type IdentifyData } from './identify.ts';
import { IdentifyLimits } from './identify-limits.ts';
import { GatewaySession } from './session.ts';
import type { SessionIndex } from './session-index.ts';

/** The bot's token. Too many identifies replace it, as Discord does. */
interface Credentials {
  token: string;
  reset(): void;
}

interface GatewayParts {
  readonly options: ResolvedOptions;
  readonly credentials: Credentials;
  readonly world: World;
  readonly violations: Violations;
  readonly feed: Feed;
  readonly sessions: SessionIndex;
  readonly dispatch: Dispatch;
  readonly unknown: UnknownRequests;
}

export const GATEWAY_PATH = '/gateway';
export const RESUME_PATH = '/gateway/resume';

/** Close codes after which a session cannot be resumed. */
const ENDING_CODES = new Set([1000, 4003, 4004, 4005, 4007, 4010, 4011, 4012, 4013, 4014]);
const SWEEP_MS = 10_000;
const COMPRESSIONS: readonly Compression[] = ['zlib-stream', 'zstd-stream'];

/** The reason for refusing a payload: closes the connection or reports an invalid session. */
type Refusal = 'invalid_session' | { readonly closeCode: number; readonly reason: string; readonly rule?: Rule };

const protocolError = (closeCode: number, reason: string): Refusal => ({ closeCode, reason, rule: 'gateway_protocol' });

/** Discord's gateway: connections, and the sessions that outlive them. */
export class Gateway {
  readonly sessions: SessionIndex;
  readonly limits: IdentifyLimits;
  /** True if the resume URL refuses connections. */
  resumeUrlDead = false;
  readonly #parts: GatewayParts;
  readonly #server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 1024 * 1024 });
  readonly #connections = new Set<GatewayConnection>();
  readonly #sweep: NodeJS.Timeout;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.sessions = parts.sessions;
    const { clock, maxConcurrency, identifyWindowMs: windowMs, sessionStartLimit: total } = parts.options;
    this.limits = new IdentifyLimits({ clock, maxConcurrency, windowMs, total });
    this.#sweep = setInterval(() => this.#endForgotten(), SWEEP_MS);
    this.#sweep.unref();
  }

  get connections(): readonly GatewayConnection[] {
    return [...this.#connections];
  }

  /** Handles a websocket upgrade on one of the gateway's paths. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const url = new URL(request.url ?? '/', 'http://gateway');
    if (url.pathname === RESUME_PATH && this.resumeUrlDead) {
      socket.destroy();
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (websocket) => {
      this.#open(websocket, socket, request.headers.host ?? '', url.searchParams);
    });
  }

  /** Ends a session. It can no longer be resumed. */
  end(session: GatewaySession): void {
    if (session.ended) return;
    session.ended = true;
    this.sessions.remove(session);
    this.publish('session_ended', session);
  }

  /** Detaches a session from its connection. The client may resume it for a while. */
  detach(session: GatewaySession): void {
    if (session.connection !== null) session.connection.session = null;
    session.connection = null;
    session.detachedAt = this.#parts.options.clock.now();
  }

  /** Closes a connection from the server. @param code decides whether the session can be resumed */
  close(connection: GatewayConnection, code: number, reason?: string): void {
    const { session } = connection;
    if (session !== null && ENDING_CODES.has(code)) this.end(session);
    connection.close(code, reason);
  }

  publish(event: string, session: GatewaySession, code?: number): void {
    const { feed } = this.#parts;
    if (!feed.active) return;
    const { shard, numShards, id } = session.facts;
    feed.publish({ type: 'gateway', event, shard, numShards, sessionId: id, ...(code === undefined ? {} : { code }) });
  }

  stop(): void {
    clearInterval(this.#sweep);
    for (const connection of this.#connections) connection.drop();
    this.#server.close();
  }

  #open(socket: WebSocket, stream: Duplex, host: string, query: URLSearchParams): void {
    const connection = new GatewayConnection({
      socket,
      stream,
      host,
      compress: COMPRESSIONS.find((one) => one === query.get('compress')) ?? null,
      heartbeatIntervalMs: this.#parts.options.heartbeatIntervalMs,
      violations: this.#parts.violations,
      onPayload: (from, payload) => this.#receive(from, payload),
      onClose: (from, code, byClient) => this.#closed(from, code, byClient),
    });
    this.#connections.add(connection);
    const version = query.get('v') ?? '10';
    if (version !== '10' && version !== '9') connection.close(4012, 'Invalid API version.');
    else if ((query.get('encoding') ?? 'json') !== 'json')
      connection.close(4002, 'Only the JSON encoding is supported.');
  }

  #closed(connection: GatewayConnection, code: number, byClient: boolean): void {
    this.#connections.delete(connection);
    const { session } = connection;
    if (session === null) return;
    this.detach(session);
    this.publish('disconnected', session, code);
    // With these codes the client ends its session. After any other close it may resume.
    if (byClient && (code === 1000 || code === 1001)) this.end(session);
  }

  #receive(connection: GatewayConnection, payload: ClientPayload): void {
    const data = (payload.d ?? {}) as Record<string, unknown>;
    const refusal = this.#handle(connection, payload.op, data);
    if (refusal === null) return;
    if (refusal === 'invalid_session') {
      connection.sendOp(9, false);
      return;
    }
    if (refusal.rule !== undefined) this.#parts.violations.record(refusal.rule, refusal.reason);
    this.close(connection, refusal.closeCode, refusal.reason);
  }

  /** @returns the reason for refusing the payload, or null */
  #handle(connection: GatewayConnection, op: number, data: Record<string, unknown>): Refusal | null {
    if (op === 2 || op === 6) {
      if (connection.session !== null) return protocolError(4005, 'Already authenticated.');
      // Eris sends the token as in the `Authorization` header.
      if (String(data.token).replace(/^Bot /, '') !== this.#parts.credentials.token)
        return { closeCode: 4004, reason: 'Authentication failed.' };
      return op === 2 ? this.#identify(connection, data) : this.#resume(connection, data);
    }
    if (!isCommand(op)) return { closeCode: 4001, reason: `Unknown opcode ${op}.`, rule: 'gateway_payload' };
    if (connection.session === null) return protocolError(4003, 'Not authenticated.');
    runCommand(this.#parts, connection.session, op, data);
    return null;
  }

  #identify(connection: GatewayConnection, data: IdentifyData): Refusal | null {
    const { options, world, violations } = this.#parts;
    const checked = checkIdentify(data, { guilds: world.guilds.size, privilegedIntents: options.privilegedIntents });
    if ('closeCode' in checked) return checked;
    const { shard, numShards, intents } = checked;
    const outcome = this.limits.identify(shard, numShards, performance.now());
    if (outcome === 'bucket') {
      violations.record('identify_bucket', `shard ${shard}/${numShards}`);
      return 'invalid_session';
    }
    if (outcome === 'day') {
      this.#resetToken();
      return null;
    }
    const id = randomBytes(16).toString('hex');
    const properties = data.properties ?? {};
    const facts = { id, shard, numShards, intents, properties, identifiedAt: options.clock.now() };
    const session = new GatewaySession(facts, options.replayBufferSize);
    if (data.presence) updatePresence(world, violations, data.presence);
    this.#attach(session, connection);
    this.sessions.add(session);
    this.publish('identified', session);
    void greet(session, world, `ws://${connection.host}${RESUME_PATH}`);
    return null;
  }

  #resume(connection: GatewayConnection, data: Record<string, unknown>): Refusal | null {
    const { options } = this.#parts;
    const session = this.sessions.get(String(data.session_id));
    if (session === undefined) return 'invalid_session';
    const { seq } = data;
    if (session.detachedAt !== null && options.clock.now() - session.detachedAt > options.sessionRetentionMs) {
      this.end(session);
      return 'invalid_session';
    }
    if (typeof seq !== 'number' || seq > session.seq) {
      this.end(session);
      return protocolError(4007, 'Invalid seq.');
    }
    if (!session.canReplay(seq)) {
      this.end(session);
      return 'invalid_session';
    }
    const former = session.connection;
    if (former !== null) {
      // A session has one connection. The newer one replaces the old one.
      this.detach(session);
      former.sendOp(9, false);
    }
    this.#attach(session, connection);
    session.resumes++;
    session.replay(seq);
    session.dispatch('RESUMED', '{"_trace":["[\\"gateway-simulator\\"]"]}');
    this.publish('resumed', session);
    return null;
  }

  #attach(session: GatewaySession, connection: GatewayConnection): void {
    session.connection = connection;
    session.detachedAt = null;
    connection.session = session;
  }

  /** After too many identifies, Discord ends every session and replaces the token. */
  #resetToken(): void {
    this.#parts.violations.record('session_start_limit', 'the token was reset');
    this.#parts.credentials.reset();
    for (const session of this.sessions.all()) this.end(session);
    for (const connection of this.#connections) connection.close(4004, 'Authentication failed.');
  }

  #endForgotten(): void {
    const { clock, sessionRetentionMs } = this.#parts.options;
    const oldest = clock.now() - sessionRetentionMs;
    for (const session of this.sessions.all()) {
      if (session.detachedAt !== null && session.detachedAt < oldest) this.end(session);
    }
  }
}
