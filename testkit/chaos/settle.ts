import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../cluster/index.ts';
import type { DiscordSimulator, Rule } from '../discord/index.ts';
import { countHints, readPods } from './databases.ts';
import type { Recorder } from './recorder.ts';

const POLL_MS = 300;

async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!condition() && performance.now() < end) await sleep(POLL_MS);
}

export const databasePaths = (cluster: Cluster): string[] =>
  cluster.gatewayPods.map((_, ordinal) => cluster.databasePath(ordinal));

/** Resolves when no pod keeps a request for another any more, or the time is over. */
export function hintsDrained(cluster: Cluster, timeoutMs: number): Promise<void> {
  return until(() => databasePaths(cluster).every((path) => countHints(path) === 0), timeoutMs);
}

/** Resolves when every event has been written down, or the time is over. */
export function eventsHandled(cluster: Cluster, recorder: Recorder, timeoutMs: number): Promise<void> {
  const missing = new Set(recorder.entries.filter(({ via }) => via === 'event').map(({ id }) => id));
  return until(() => {
    if (missing.size === 0) return true;
    for (const { operation } of readPods(databasePaths(cluster)).rows) missing.delete(operation);
    return missing.size === 0;
  }, timeoutMs);
}

/** Ends every pod in order, so that the databases are final. @returns what went wrong */
export async function endPods(cluster: Cluster): Promise<string[]> {
  const problems: string[] = [];
  for (const pods of [cluster.httpPods, cluster.gatewayPods]) {
    await Promise.all(
      pods.map(async (pod) => {
        if (!pod.running) return;
        const { code, signal } = await pod.stop();
        if (code !== 0) problems.push(`${pod.name} ended with ${signal ?? `code ${code}`} after SIGTERM`);
      }),
    );
  }
  return problems;
}

/** Rules that no fault is an excuse for. Late or lost responses and missed heartbeats are what some faults are about. */
const INEXCUSABLE: readonly Rule[] = [
  'identify_bucket',
  'session_start_limit',
  'gateway_rate_limit',
  'gateway_payload',
  'global_rate_limit',
  'invalid_requests',
  'unauthorized',
  'second_response',
  'invalid_response',
  'bad_signature_accepted',
];

/** Rules of Discord's that the pods broke, in words. */
export function brokenRules({ violations }: DiscordSimulator): string[] {
  return INEXCUSABLE.filter((rule) => violations.count(rule) > 0).map((rule) => {
    const last = violations.list(rule).at(-1);
    return `Discord's rule ${rule} was broken ${violations.count(rule)} times: ${last?.detail ?? ''}`;
  });
}

export interface SessionWatch {
  /** Sessions that ended and so could not be resumed. */
  readonly lost: number;
  /** When the last of them did, on the clock of `performance.now()`. */
  readonly lastLostAt: number;
}

/** Counts sessions that end from now on. */
export function watchSessions(simulator: DiscordSimulator): SessionWatch {
  const watch = { lost: 0, lastLostAt: Number.NEGATIVE_INFINITY };
  simulator.watch((event) => {
    if (event.type !== 'gateway' || event.event !== 'session_ended') return;
    watch.lost++;
    watch.lastLostAt = performance.now();
  });
  return watch;
}

/** Time in which a pod that lost its session has a new one. */
const IDENTIFY_MS = 15_000;

/** Events around the end of a session may be missed: Discord promises no more. Those are at most once, not exactly once. */
export function forgiveEvents({ entries }: Recorder, { lost, lastLostAt }: SessionWatch): void {
  if (lost === 0) return;
  for (const entry of entries) {
    if (entry.via === 'event' && entry.sentAt < lastLostAt + IDENTIFY_MS) entry.knowledge = 'unknown';
  }
}
