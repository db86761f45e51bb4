import type { Disturbance } from './injector.ts';
import type { Entry } from './recorder.ts';

export interface Latency {
  /** The longest time to a first response to an interaction, in milliseconds. */
  readonly longestAnswerMs: number;
  /** The longest time from sending a deferred interaction to its completion. */
  readonly longestCompletionMs: number;
  /** 99th percentile of the time to a first response, for interactions that met no fault; null if there are fewer than 100. */
  readonly undisturbedP99Ms: number | null;
}

/** Requests this soon after a fault still count as disturbed, because the pod reconnects and catches up. */
const AFTERMATH_MS = 2_000;

/** @param share of the values that lie below the result, from 0 to 1 @returns NaN without values */
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
      // A fault of an HTTP pod or of Discord can affect requests of any guild.
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
