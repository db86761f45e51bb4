import { Counter, Gauge, type Registry } from '../../observability/metrics.ts';
import { SHARD_TRANSITIONS, type ShardState } from './shard-state.ts';

const NAMES = [
  ...['guildway_shards', 'guildway_discord_events_pending', 'guildway_sessions_resumed_total'],
  ...['guildway_identifies_total', 'guildway_discord_events_total', 'guildway_discord_events_dropped_total'],
  ...['guildway_discord_events_forwarded_total', 'guildway_shard_latency_seconds'],
];

/** Metrics of Discord sessions. */
export function createSessionMetrics(
  registry: Registry,
  collect: { states: () => readonly ShardState[]; pending: () => number },
) {
  const registers = [registry];
  // Those of sessions that have ended, because the bot beside this pod has changed its intents.
  for (const name of NAMES) registry.removeSingleMetric(name);
  new Gauge({
    name: 'guildway_shards',
    help: `Shards of this pod by state: ${Object.keys(SHARD_TRANSITIONS).join(', ')}.`,
    labelNames: ['state'],
    registers,
    collect() {
      this.reset();
      for (const state of collect.states()) this.inc({ state });
    },
  });
  new Gauge({
    name: 'guildway_discord_events_pending',
    help: 'Events whose handlers have not finished.',
    registers,
    collect() {
      this.set(collect.pending());
    },
  });
  return {
    resumed: new Counter({ name: 'guildway_sessions_resumed_total', help: 'Sessions that were resumed.', registers }),
    identified: new Counter({ name: 'guildway_identifies_total', help: 'New sessions that were started.', registers }),
    events: new Counter({
      name: 'guildway_discord_events_total',
      help: 'Events of guilds that this pod owns, by type.',
      labelNames: ['event'],
      registers,
    }),
    dropped: new Counter({
      name: 'guildway_discord_events_dropped_total',
      help: 'Events of guilds that other pods own: under md5 every pod gets every event.',
      registers,
    }),
    forwarded: new Counter({
      name: 'guildway_discord_events_forwarded_total',
      help: 'Events of guilds that other pods own, stored here and delivered to their owners.',
      labelNames: ['event'],
      registers,
    }),
    latency: new Gauge({
      name: 'guildway_shard_latency_seconds',
      help: 'Time between the last heartbeat and its acknowledgement.',
      labelNames: ['shard'],
      registers,
    }),
  };
}

export type SessionMetrics = ReturnType<typeof createSessionMetrics>;
