import type { Disturbance } from './injector.ts';
import type { Entry } from './recorder.ts';

export interface Latency {
  /** The longest that anybody waited for a first answer to an interaction, in milliseconds. */
  readonly longestAnswerMs: number;
  /** The longest from sending a deferred interaction to its completion. */
  readonly longestCompletionMs: number;
  /** 99th percentile of first answers to interactions that met no fault; null when there were fewer than 100. */
  readonly undisturbedP99Ms: number | null;
}

/** Time after a fault in which its owner's requests still count as disturbed: reconnecting, catching up. */
const AFTERMATH_MS = 2_000;

/** The value below which `share` of the values are; NaN without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

export function measureLatency(
  entries: readonly Entry[],
  disturbances: readonly Disturbance[],
  ownerOf: (guildId: string) => number,
): Latency {
  const answered = entries.filter(({ via, answeredAt }) => via === 'interaction' && answeredAt !== null);
  const wait = (entry: Entry): number => (entry.answeredAt as number) - entry.sentAt;
  const undisturbed = answered.filter((entry) => {
    if (entry.slow) return false;
    return disturbances.every(({ pod, from, until }) => {
      const met = entry.sentAt < until + AFTERMATH_MS && (entry.answeredAt as number) > from;
      // A fault of an HTTP pod, or of Discord, can meet the requests of every guild.
      const concerns = pod === null || pod.type === 'http' || pod.index === ownerOf(entry.guildId);
      return !(met && concerns);
    });
  });
  const max = (values: readonly number[]): number => values.reduce((most, value) => Math.max(most, value), 0);
  return {
    longestAnswerMs: max(answered.map(wait)),
    longestCompletionMs: max(
      entries.flatMap(({ wasDeferred, knowledge, settledAt, sentAt }) =>
        wasDeferred && knowledge !== 'deferred' ? [(settledAt as number) - sentAt] : [],
      ),
    ),
    undisturbedP99Ms: undisturbed.length < 100 ? null : percentile(undisturbed.map(wait), 0.99),
  };
}
