import { Counter, Gauge, Histogram, type Registry } from '../../observability/metrics.ts';

/**
 * Why guilds have not moved.
 * - `busy`: their handlers run
 * - `no-answer`: the new owner is away
 * - `refused`: the new owner cannot take them as things are, such as with another schema
 * - `outdated`: their rows have changed since they were copied
 */
type FailureReason = 'busy' | 'no-answer' | 'refused' | 'outdated' | 'error';

export interface MoveMetrics {
  readonly moved: Counter;
  readonly movedBytes: Counter;
  readonly arrived: Counter;
  readonly pauseSeconds: Histogram;
  failed(reason: FailureReason, guilds: number): void;
}

interface MoveSources {
  /** Guilds that are still to be given away. */
  readonly toMove: () => number;
  /** Guilds that were given away, and whose new owners have not confirmed it. */
  readonly unconfirmed: () => number;
}

/** Registers the metrics of moving guilds. */
export function createMoveMetrics(registry: Registry, { toMove, unconfirmed }: MoveSources): MoveMetrics {
  const registers = [registry];
  new Gauge({
    name: 'guildway_moving_guilds',
    help: 'Guilds that this pod is giving away: still here, or given and not confirmed.',
    labelNames: ['state'],
    registers,
    collect() {
      this.set({ state: 'to-move' }, toMove());
      this.set({ state: 'unconfirmed' }, unconfirmed());
    },
  });
  const failures = new Counter({
    name: 'guildway_move_failures_total',
    help: 'Guilds that could not move and are tried again.',
    labelNames: ['reason'],
    registers,
  });
  return {
    failed: (reason, guilds) => failures.inc({ reason }, guilds),
    moved: new Counter({
      name: 'guildway_moved_guilds_total',
      help: 'Guilds that this pod has given away.',
      registers,
    }),
    movedBytes: new Counter({ name: 'guildway_moved_bytes_total', help: 'Bytes of their rows.', registers }),
    arrived: new Counter({
      name: 'guildway_arrived_guilds_total',
      help: 'Guilds that this pod has received from others.',
      registers,
    }),
    pauseSeconds: new Histogram({
      name: 'guildway_move_pause_seconds',
      help: 'How long requests of a guild waited while it moved.',
      buckets: [0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    }),
  };
}
