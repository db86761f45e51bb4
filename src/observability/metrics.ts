import { monitorEventLoopDelay } from 'node:perf_hooks';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

export { Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * The interval of the event loop measurement. Each one wakes the process: with prom-client's 10 ms, an idle pod spent most of
 * its CPU on this. A block longer than this is never missed.
 */
const DELAY_RESOLUTION_MS = 100;
/** Longer than any pod lives. Node allows no more. */
const NEVER_MS = 2 ** 31 - 1;

/** Registers a gauge whose value is read at each scrape. */
export function watchGauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

/** A registry with the metrics of the process itself. Names start with `guildway_`. One per process, closed with it. */
export function createRegistry(labels: Readonly<Record<string, string>>): Registry {
  const registry = new Registry();
  registry.setDefaultLabels(labels);
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: NEVER_MS });
  // They are useless without their timer. The gauge below replaces them.
  for (const { name } of registry.getMetricsAsArray()) {
    if (/^nodejs_eventloop_lag_(?!seconds)/.test(name)) registry.removeSingleMetric(name);
  }
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  new Gauge({
    name: 'guildway_event_loop_delay_seconds',
    help: 'Event-loop delay since the last scrape.',
    labelNames: ['quantile'],
    registers: [registry],
    collect() {
      for (const quantile of [0.5, 0.99, 1]) {
        // Node records the time from one measurement to the next.
        const lateMs = delay.percentile(quantile * 100) / 1e6 - DELAY_RESOLUTION_MS;
        this.set({ quantile: String(quantile) }, Math.max(0, lateMs) / 1000);
      }
      delay.reset();
    },
  });
  return registry;
}
