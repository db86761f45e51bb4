import type { Registry } from '../../observability/metrics.ts';

/** Upper bounds, in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** A histogram of times that costs an array access per observation. */
export class Latency {
  /** One more than there are bounds, for values above the last bound. */
  readonly counts = new Float64Array(BUCKETS.length + 1);
  sum = 0;

  add(seconds: number): void {
    let bucket = 0;
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] as number)) bucket++;
    (this.counts[bucket] as number)++;
    this.sum += seconds;
  }
}

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Exposes {@link Latency} histograms in a registry in Prometheus' form, under one name with one label. */
export function registerLatency(
  registry: Registry,
  options: {
    readonly name: string;
    readonly help: string;
    readonly label: string;
    readonly series: () => Iterable<readonly [string, Latency]>;
  },
): void {
  const { name, help, label, series } = options;
  const samplesOf = ([value, { counts, sum }]: readonly [string, Latency]): Sample[] => {
    const labels = { [label]: value };
    let total = 0;
    const buckets = Array.from(counts, (count, i) => {
      total += count;
      return { metricName: `${name}_bucket`, labels: { le: String(BUCKETS[i] ?? '+Inf'), ...labels }, value: total };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: total },
    ];
  };
  const type = 'histogram';
  const aggregator = 'sum';
  // prom-client's histogram does not accept external counts, but its registry accepts any object of this shape.
  const metric = {
    ...{ name, help, type, aggregator },
    get: async () => ({ name, help, type, aggregator, values: Array.from(series()).flatMap(samplesOf) }),
    reset: () => {},
  };
  registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0]);
}
