import { Counter, Gauge, Histogram, type Registry, watchGauge } from '../observability/metrics.ts';

/** The kind of a request. */
export type RequestKind = 'interaction' | 'event-webhook' | 'fetch' | 'hint' | 'internal';

/**
 * - `ok`, `failed`: a status below 500, or 500 and above
 * - `replayed`: a recorded response
 * - `misdirected`: another pod owns the guild
 * - `refused`: the request is invalid (400 to 499)
 * - `unavailable`: this pod serves nothing at present
 * - `timeout`: no response before the deadline
 */
export type Outcome = 'ok' | 'failed' | 'replayed' | 'misdirected' | 'refused' | 'unavailable' | 'timeout';

/** Requests that are stored for one owner. */
interface KeptFor {
  readonly owner: number;
  readonly count: number;
  /** Age of the oldest one with a waiting user. */
  readonly oldestInteractionSeconds: number;
}

/** Values that are read at each scrape. */
interface MetricSources {
  readonly replays: () => number;
  readonly websockets: () => number;
  /** Stored requests, by their owner. */
  readonly hints: () => readonly KeptFor[];
  /** Stored requests that are set aside for an operator. */
  readonly setAside: () => number;
  readonly sizes: () => { readonly database: number; readonly wal: number };
}

export interface GatewayMetrics {
  readonly requests: Counter<'kind' | 'outcome'>;
  readonly handlerSeconds: Histogram<'kind'>;
  readonly hintsExpired: Counter;
  readonly hintsDelivered: Counter<'outcome'>;
  readonly events: Counter<'event' | 'outcome'>;
  /** Registers the gauges once their sources exist. */
  watch(sources: MetricSources): void;
}

/** Registers the metrics of a gateway pod. */
export function createGatewayMetrics(registry: Registry): GatewayMetrics {
  const registers = [registry];
  return {
    requests: new Counter({
      name: 'guildway_gateway_requests_total',
      help: 'Requests that reached this gateway pod.',
      labelNames: ['kind', 'outcome'],
      registers,
    }),
    handlerSeconds: new Histogram({
      name: 'guildway_handler_seconds',
      help: "How long the bot's handlers took.",
      labelNames: ['kind'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60],
      registers,
    }),
    hintsExpired: new Counter({
      name: 'guildway_hints_expired_total',
      help: 'Requests stored for other pods that expired before their owner returned.',
      registers,
    }),
    hintsDelivered: new Counter({
      name: 'guildway_hints_delivered_total',
      help: 'Requests stored for other pods that their owner answered, or that were set aside.',
      labelNames: ['outcome'],
      registers,
    }),
    events: new Counter({
      name: 'guildway_events_total',
      help: "Events of Discord's gateway that the bot has handled.",
      labelNames: ['event', 'outcome'],
      registers,
    }),
    watch: (sources) => watch(registry, sources),
  };
}

function watch(registry: Registry, { replays, websockets, hints, setAside, sizes }: MetricSources): void {
  const registers = [registry];
  new Counter({
    name: 'guildway_ledger_replays_total',
    help: 'Deliveries answered with the recorded response of an earlier one.',
    registers,
    collect() {
      this.reset();
      this.inc(replays());
    },
  });
  new Gauge({
    name: 'guildway_hints',
    help: 'Requests that this pod stores, by their owner.',
    labelNames: ['owner'],
    registers,
    collect() {
      this.reset();
      for (const { owner, count } of hints()) this.set({ owner }, count);
    },
  });
  watchGauge(registry, 'guildway_hints_oldest_seconds', 'Age of the oldest stored request that a user waits for.', () =>
    Math.max(0, ...hints().map(({ oldestInteractionSeconds }) => oldestInteractionSeconds)),
  );
  watchGauge(
    registry,
    'guildway_hints_set_aside',
    'Requests that could not be delivered and wait for an operator.',
    setAside,
  );
  watchGauge(registry, 'guildway_websockets', "Open websockets of the bot's clients.", websockets);
  watchGauge(registry, 'guildway_sqlite_bytes', 'Size of the database file.', () => sizes().database);
  watchGauge(registry, 'guildway_sqlite_wal_bytes', 'Size of its write-ahead log.', () => sizes().wal);
}
