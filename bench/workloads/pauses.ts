import type { Pod } from '../../testkit/cluster/index.ts';

/** How long guilds were paused while they moved, over some pods. */
export interface Pauses {
  readonly count: number;
  /** Seconds. */
  readonly sum: number;
  /** The upper bound of the bucket, in milliseconds. */
  percentile(share: number): number;
}

const NAME = 'guildway_move_pause_seconds';

/** Reads the histograms of the pauses from the metrics of pods. */
export async function readPauses(pods: readonly Pod[]): Promise<Pauses> {
  const buckets = new Map<number, number>();
  let [count, sum] = [0, 0];
  for (const pod of pods) {
    const text = await (await fetch(`${pod.adminUrl}/metrics`)).text();
    for (const [, bound, value] of text.matchAll(new RegExp(`^${NAME}_bucket\\{le="([^"]+)"\\} (\\d+)`, 'gm'))) {
      const at = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound);
      buckets.set(at, (buckets.get(at) ?? 0) + Number(value));
    }
    count += Number(new RegExp(`^${NAME}_count (\\S+)`, 'm').exec(text)?.[1] ?? 0);
    sum += Number(new RegExp(`^${NAME}_sum (\\S+)`, 'm').exec(text)?.[1] ?? 0);
  }
  const sorted = [...buckets].toSorted(([a], [b]) => a - b);
  const percentile = (share: number): number =>
    (sorted.find(([, below]) => below >= count * share)?.[0] ?? Number.NaN) * 1_000;
  return { count, sum, percentile };
}
