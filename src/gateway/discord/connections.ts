import {
  managerToFetchingStrategyOptions,
  SimpleContextFetchingStrategy,
  type WebSocketManager,
  WebSocketShard,
  WebSocketShardDestroyRecovery,
  WebSocketShardEvents,
} from '@discordjs/ws';

/**
 * This process's shards; their events are the manager's. The manager itself can only connect and destroy all of them at once: its
 * second try would end every session, and when no identifies are left today it does not even try to resume.
 */
export class ShardConnections {
  readonly #manager: WebSocketManager;
  readonly #shards = new Map<number, WebSocketShard>();

  constructor(manager: WebSocketManager) {
    this.#manager = manager;
  }

  /** Asks Discord for its gateway's address. @throws what the REST client throws; then no shard has been made */
  async spawn(shardIds: readonly number[]): Promise<void> {
    const options = await managerToFetchingStrategyOptions(this.#manager);
    const emit = this.#manager.emit.bind(this.#manager) as (event: string, ...values: unknown[]) => boolean;
    for (const shardId of shardIds) {
      const shard = new WebSocketShard(new SimpleContextFetchingStrategy(this.#manager, options), shardId);
      // A connection that fails before its hello leaves a listener behind until the next hello. That is not a leak.
      shard.setMaxListeners(0);
      for (const event of Object.values(WebSocketShardEvents))
        shard.on(event, (...values: unknown[]) => void emit(event, ...values, shardId));
      this.#shards.set(shardId, shard);
    }
  }

  /** Resolves when each shard has had its first session or is closed permanently. After that, shards reconnect on their own. */
  async connect(): Promise<void> {
    await Promise.allSettled([...this.#shards.values()].map((shard) => shard.connect()));
  }

  /** Leaves the shard's connection, and opens another to resume its session. */
  async reconnect(shardId: number, reason: string): Promise<void> {
    await this.#shards.get(shardId)?.destroy({ reason, recover: WebSocketShardDestroyRecovery.Resume });
  }

  /** Leaves all connections with this code. */
  async destroy(code: number, reason: string): Promise<void> {
    await Promise.all([...this.#shards.values()].map((shard) => shard.destroy({ code, reason })));
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

/** What the library's connections are: those of `ws`, which it does not hand out. */
interface WebSocket {
  readonly readyState: number;
  readonly CLOSED: number;
  onerror: (() => void) | null;
  terminate(): void;
}
