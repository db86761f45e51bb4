import type { GatewayConnection } from './connection.ts';
import type { Gateway } from './gateway.ts';
import type { IdentifyEntry } from './identify-limits.ts';
import type { GatewaySession } from './session.ts';

/** The current state of a session. */
export interface SessionInfo {
  readonly sessionId: string;
  readonly shard: number;
  readonly numShards: number;
  readonly connected: boolean;
  readonly seq: number;
  readonly intents: number;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly resumes: number;
  /** Unix milliseconds. */
  readonly identifiedAt: number;
  readonly detachedAt: number | null;
  readonly lastHeartbeatAt: number | null;
}

/** Selects sessions that match all given criteria. Without criteria, selects all. */
export interface SessionFilter {
  readonly shard?: number | undefined;
  readonly sessionId?: string | undefined;
  readonly where?: ((session: SessionInfo) => boolean) | undefined;
}

/** Inspects the gateway's sessions and injects faults. Every action returns the number of affected sessions. */
export class GatewayControl {
  readonly #gateway: Gateway;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  /** Every session, including disconnected ones that can be resumed. */
  sessions(filter: SessionFilter = {}): SessionInfo[] {
    return this.#gateway.sessions.all().map(describe).filter(matcher(filter));
  }

  /** Every identify, including those that exceeded a limit. */
  identifies(): readonly IdentifyEntry[] {
    return this.#gateway.limits.log();
  }

  /** Cuts connections without a close frame. */
  dropSocket(filter?: SessionFilter): number {
    return this.#each(filter, (connection) => connection.drop());
  }

  /** Asks clients to reconnect and resume (opcode 7). */
  reconnect(filter?: SessionFilter): number {
    return this.#each(filter, (connection) => connection.sendOp(7, null));
  }

  /** Invalidates sessions (opcode 9); the connections stay open for a resume or an identify. */
  invalidate(filter: SessionFilter | undefined, options: { resumable: boolean }): number {
    return this.#each(filter, (connection, session) => {
      this.#gateway.detach(session);
      if (!options.resumable) this.#gateway.end(session);
      connection.sendOp(9, options.resumable);
    });
  }

  /** Closes connections with a code. After 1000 and the fatal codes their sessions cannot be resumed. */
  close(filter: SessionFilter | undefined, code: number): number {
    return this.#each(filter, (connection) => this.#gateway.close(connection, code));
  }

  /** Stops acknowledging heartbeats, so that clients give up the connection. */
  pauseHeartbeatAcks(filter?: SessionFilter): number {
    return this.#each(filter, (connection) => {
      connection.acknowledges = false;
    });
  }

  /** Requests an immediate heartbeat (opcode 1). */
  requestHeartbeat(filter?: SessionFilter): number {
    return this.#each(filter, (connection) => connection.sendOp(1, null));
  }

  /** Forgets sessions without telling their clients, so that a resume fails. */
  forgetSessions(filter: SessionFilter = {}): number {
    const matches = matcher(filter);
    const found = this.#gateway.sessions.all().filter((session) => matches(describe(session)));
    for (const session of found) this.#gateway.end(session);
    return found.length;
  }

  /** Whether the resume URL refuses connections. */
  get resumeUrlDead(): boolean {
    return this.#gateway.resumeUrlDead;
  }

  set resumeUrlDead(dead: boolean) {
    this.#gateway.resumeUrlDead = dead;
  }

  #each(filter: SessionFilter = {}, act: (connection: GatewayConnection, session: GatewaySession) => void): number {
    const matches = matcher(filter);
    let count = 0;
    for (const session of this.#gateway.sessions.all()) {
      if (session.connection === null || !matches(describe(session))) continue;
      act(session.connection, session);
      count++;
    }
    return count;
  }
}

function describe(session: GatewaySession): SessionInfo {
  const { id, shard, numShards, intents, properties, identifiedAt } = session.facts;
  return {
    sessionId: id,
    shard,
    numShards,
    connected: session.connection !== null,
    seq: session.seq,
    intents,
    properties,
    resumes: session.resumes,
    identifiedAt,
    detachedAt: session.detachedAt,
    lastHeartbeatAt: session.connection?.lastHeartbeatAt ?? null,
  };
}

function matcher({ shard, sessionId, where }: SessionFilter): (session: SessionInfo) => boolean {
  return (session) =>
    (shard === undefined || session.shard === shard) &&
    (sessionId === undefined || session.sessionId === sessionId) &&
    (where === undefined || where(session));
}
