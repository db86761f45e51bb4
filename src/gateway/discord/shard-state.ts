/**
 * - `waiting`: without a connection, until it is time for the next one
 * - `paused`: left on purpose, because too many events wait for their handlers
 * - `connecting`: a connection is being opened, or has not said hello yet
 * - `identifying`: waits for an identify slot, or has identified and waits for READY
 * - `resuming`: has asked to resume its session, and waits for RESUMED
 * - `ready`: has a session
 * - `failed`: Discord closed it for good
 * - `stopped`: left so that the next process can resume it
 */
export type ShardState =
  | 'waiting'
  | 'paused'
  | 'connecting'
  | 'identifying'
  | 'resuming'
  | 'ready'
  | 'failed'
  | 'stopped';

/**
 * The states that may follow each state. A lost connection leads to `waiting` from every state except the last two, which are
 * final.
 */
export const SHARD_TRANSITIONS: Readonly<Record<ShardState, readonly ShardState[]>> = Object.freeze({
  waiting: ['connecting', 'failed', 'stopped'],
  paused: ['connecting', 'failed', 'stopped'],
  connecting: ['identifying', 'resuming', 'waiting', 'failed', 'stopped'],
  identifying: ['ready', 'waiting', 'failed', 'stopped'],
  resuming: ['ready', 'waiting', 'paused', 'failed', 'stopped'],
  ready: ['resuming', 'waiting', 'paused', 'failed', 'stopped'],
  failed: ['stopped'],
  stopped: [],
});
