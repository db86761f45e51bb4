import {
  type FetchingStrategyOptions,
  type IContextFetchingStrategy,
  managerToFetchingStrategyOptions,
  SimpleContextFetchingStrategy,
  type WebSocketManager,
  WebSocketShard,
  WebSocketShardDestroyRecovery,
  WebSocketShardEvents,
} from '@discordjs/ws';
import {
  type GatewayDispatchPayload,
  GatewayOpcodes,
  type GatewayReadyDispatchData,
  type GatewaySendPayload,
} from 'discord-api-types/v10';
import type { Shard } from './shard.ts';

/** Gets the events of all shards. A {@link Shard} gets the events of its connection. */
export interface ConnectionListener {
  onDispatch(payload: GatewayDispatchPayload, shard: number): void;
  onReady(data: GatewayReadyDispatchData, shard: number): void;
  onResumed(shard: number): void;
  onHeartbeat(latencyMs: number, shard: number): void;
  onError(error: unknown, shard: number): void;
  /** The connection could not be opened, or broke. */
  onSocketError(error: unknown, shard: number): void;
}

/** The library's shard. It asks before it resumes. */
class LibraryShard extends WebSocketShard {
  readonly #mayResume: () => boolean;

  constructor(strategy: IContextFetchingStrategy, id: number, mayResume: () => boolean) {
    super(strategy, id);
    this.#mayResume = mayResume;
    // A connection that fails before its HELLO leaves a listener until the next HELLO. That is not a leak.
    this.setMaxListeners(0);
  }

  override async send(payload: Parameters<WebSocketShard['send']>[0]): Promise<void> {
    if (payload.op !== GatewayOpcodes.Resume || this.#mayResume()) await super.send(payload);
  }
}

/**
 * The library's shards. The library's own manager connects and destroys all shards at once: a second attempt would end every
 * session, and without identifies left for the day it does not even resume.
 */
export class ShardConnections {
  readonly #manager: WebSocketManager;
  readonly #listener: ConnectionListener;
  readonly #shards = new Map<number, LibraryShard>();
  #options: FetchingStrategyOptions | null = null;

  constructor(manager: WebSocketManager, listener: ConnectionListener) {
    this.#manager = manager;
    this.#listener = listener;
  }

  /**
   * Asks Discord for its gateway's address.
   * @returns the address
   * @throws the errors of the REST client; no shard exists then
   */
  async spawn(shards: ReadonlyMap<number, Shard>): Promise<string> {
    const options = await managerToFetchingStrategyOptions(this.#manager);
    this.#options = options;
    for (const [id, shard] of shards) this.#shards.set(id, this.#create(id, shard, options));
    return options.gatewayInformation.url;
  }

  /** Connects one more shard. Call it after {@link spawn}. Resolves as {@link connect} does. */
  async add(id: number, shard: Shard): Promise<void> {
    if (this.#options === null) return;
    const connection = this.#create(id, shard, this.#options);
    this.#shards.set(id, connection);
    await Promise.allSettled([connection.connect()]);
  }

  /** Ends a shard's session for good. */
  remove(id: number, reason: string): void {
    const connection = this.#shards.get(id);
    this.#shards.delete(id);
    connection?.destroy({ reason }).catch((error: unknown) => this.#listener.onError(error, id));
  }

  #create(id: number, shard: Shard, options: FetchingStrategyOptions): LibraryShard {
    const listener = this.#listener;
    const strategy = new SimpleContextFetchingStrategy(this.#manager, options);
    const connection = new LibraryShard(strategy, id, () => shard.resuming());
    connection.on(WebSocketShardEvents.Dispatch, (payload) => listener.onDispatch(payload, id));
    connection.on(WebSocketShardEvents.Ready, (data) => {
      shard.ready();
      listener.onReady(data, id);
    });
    connection.on(WebSocketShardEvents.Resumed, () => {
      shard.ready();
      listener.onResumed(id);
    });
    connection.on(WebSocketShardEvents.Closed, (code) => shard.closed(code));
    connection.on(WebSocketShardEvents.HeartbeatComplete, ({ latency }) => {
      shard.setLatency(latency);
      listener.onHeartbeat(latency, id);
    });
    connection.on(WebSocketShardEvents.Error, (error) => listener.onError(error, id));
    connection.on(WebSocketShardEvents.SocketError, (error) => listener.onSocketError(error, id));
    // The shard was about to open this connection when it was told to leave.
    connection.on(WebSocketShardEvents.Hello, () => {
      if (shard.state === 'stopped') void connection.destroy({ code: RESUMABLE_CLOSE, reason: 'restarting' });
    });
    return connection;
  }

  /** Resolves when each shard has had its first session or is closed for good. After that, shards reconnect on their own. */
  async connect(): Promise<void> {
    await Promise.allSettled([...this.#shards.values()].map((shard) => shard.connect()));
  }

  /** Closes the shard's connection and opens another one to resume its session. */
  async reconnect(shardId: number, reason: string): Promise<void> {
    await this.#shards.get(shardId)?.destroy({ reason, recover: WebSocketShardDestroyRecovery.Resume });
  }

  /** Sends a client's event on these shards' sessions. A session that is not ready sends it later. */
  send(shardIds: Iterable<number>, payload: GatewaySendPayload): void {
    for (const id of shardIds) {
      const sent = this.#shards.get(id)?.send(payload);
      sent?.catch((error: unknown) => this.#listener.onError(error, id));
    }
  }

  /** Closes all connections so that their sessions can be resumed. */
  async leave(reason: string): Promise<void> {
    await Promise.all([...this.#shards.values()].map((shard) => shard.destroy({ code: RESUMABLE_CLOSE, reason })));
  }

  /** Destroys connections that are still open. The library forgets a connection that it is opening when it is told to leave. */
  terminate(): void {
    for (const shard of this.#shards.values()) {
      endHeartbeat(shard);
      const { connection } = shard as unknown as { connection: WebSocket | null };
      if (connection === null || connection.readyState === connection.CLOSED) continue;
      connection.onerror = () => {};
      connection.terminate();
    }
  }
}

/**
 * Stops a shard's heartbeat for good. A shard that leaves while it waits for its first heartbeat would otherwise keep sending
 * heartbeats without a connection.
 */
function endHeartbeat(shard: WebSocketShard): void {
  clearInterval((shard as unknown as { heartbeatInterval: NodeJS.Timeout | null }).heartbeatInterval ?? undefined);
  Object.defineProperty(shard, 'heartbeatInterval', { get: () => null, set: clearInterval });
}

/** A close code that keeps the session resumable. 1000 and 1001 would end it. */
const RESUMABLE_CLOSE = 4200;

/** The library's connections are those of `ws`, but it does not expose them. */
interface WebSocket {
  readonly readyState: number;
  readonly CLOSED: number;
  onerror: (() => void) | null;
  terminate(): void;
}
