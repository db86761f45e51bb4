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
import { type GatewayDispatchPayload, GatewayOpcodes, type GatewayReadyDispatchData } from 'discord-api-types/v10';
import type { Shard } from './shard.ts';

/** What is told of events of all shards; a {@link Shard} is told of its connection. */
export interface ConnectionListener {
  onDispatch(payload: GatewayDispatchPayload, shard: number): void;
  onReady(data: GatewayReadyDispatchData, shard: number): void;
  onResumed(shard: number): void;
  onHeartbeat(latencyMs: number, shard: number): void;
  onError(error: unknown, shard: number): void;
  /** The connection could not be opened, or broke. */
  onSocketError(error: unknown, shard: number): void;
}

/** The library's shard, which asks before it resumes. */
class LibraryShard extends WebSocketShard {
  readonly #mayResume: () => boolean;

  constructor(strategy: IContextFetchingStrategy, id: number, mayResume: () => boolean) {
    super(strategy, id);
    this.#mayResume = mayResume;
    // A connection that fails before its hello leaves a listener behind until the next hello. That is not a leak.
    this.setMaxListeners(0);
  }

  override async send(payload: Parameters<WebSocketShard['send']>[0]): Promise<void> {
    if (payload.op !== GatewayOpcodes.Resume || this.#mayResume()) await super.send(payload);
  }
}

/**
 * The library's shards. Its own manager can only connect and destroy all of them at once: its second try would end every session, and
 * when no identifies are left today it does not even try to resume.
 */
export class ShardConnections {
  readonly #manager: WebSocketManager;
  readonly #listener: ConnectionListener;
  readonly #shards = new Map<number, LibraryShard>();

  constructor(manager: WebSocketManager, listener: ConnectionListener) {
    this.#manager = manager;
    this.#listener = listener;
  }

  /** Asks Discord for its gateway's address. @returns it @throws what the REST client throws; then no shard has been made */
  async spawn(shards: ReadonlyMap<number, Shard>): Promise<string> {
    const options = await managerToFetchingStrategyOptions(this.#manager);
    for (const [id, shard] of shards) this.#shards.set(id, this.#create(id, shard, options));
    return options.gatewayInformation.url;
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
    // It was about to open this connection when it was told to leave.
    connection.on(WebSocketShardEvents.Hello, () => {
      if (shard.state === 'stopped') void connection.destroy({ code: RESUMABLE_CLOSE, reason: 'restarting' });
    });
    return connection;
  }

  /** Resolves when each shard has had its first session or is closed permanently. After that, shards reconnect on their own. */
  async connect(): Promise<void> {
    await Promise.allSettled([...this.#shards.values()].map((shard) => shard.connect()));
  }

  /** Leaves the shard's connection, and opens another to resume its session. */
  async reconnect(shardId: number, reason: string): Promise<void> {
    await this.#shards.get(shardId)?.destroy({ reason, recover: WebSocketShardDestroyRecovery.Resume });
  }

  /** Leaves all connections, so that their sessions can be resumed. */
  async leave(reason: string): Promise<void> {
    await Promise.all([...this.#shards.values()].map((shard) => shard.destroy({ code: RESUMABLE_CLOSE, reason })));
  }

  /** Cuts what is still open: the library forgets a connection that it was opening when it was told to leave. */
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
 * Ends a shard's heartbeat for good. A shard that is told to leave while it waits for its first heartbeat begins to send them all the
 * same, on no connection, and never stops.
 */
function endHeartbeat(shard: WebSocketShard): void {
  clearInterval((shard as unknown as { heartbeatInterval: NodeJS.Timeout | null }).heartbeatInterval ?? undefined);
  Object.defineProperty(shard, 'heartbeatInterval', { get: () => null, set: clearInterval });
}

/** A close code that leaves the session to be resumed; 1000 and 1001 would end it. */
const RESUMABLE_CLOSE = 4200;

/** What the library's connections are: those of `ws`, which it does not hand out. */
interface WebSocket {
  readonly readyState: number;
  readonly CLOSED: number;
  onerror: (() => void) | null;
  terminate(): void;
}
