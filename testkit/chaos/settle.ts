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

/** Resolves when no pod stores a request for another pod, or after the timeout. */
export function hintsDrained(cluster: Cluster, timeoutMs: number): Promise<void> {
  return until(() => databasePaths(cluster).every((path) => countHints(path) === 0), timeoutMs);
}

/** Resolves when every event has its row, or after the timeout. */
export function eventsHandled(cluster: Cluster, recorder: Recorder, timeoutMs: number): Promise<void> {
  const missing = new Set(recorder.entries.filter(({ via }) => via === 'event').map(({ id }) => id));
  return until(() => {
    if (missing.size === 0) return true;
    for (const { operation } of readPods(databasePaths(cluster)).rows) missing.delete(operation);
    return missing.size === 0;
  }, timeoutMs);
}

/** Ends all pods with SIGTERM, so that the databases are final. @returns the failures */
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

/** Rules that must hold even during faults. Faults may cause late or lost responses and missed heartbeats. */
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

/** Describes the violations of Discord's rules by the pods. */
export function brokenRules({ violations }: DiscordSimulator): string[] {
  return INEXCUSABLE.filter((rule) => violations.count(rule) > 0).map((rule) => {
    const last = violations.list(rule).at(-1);
    return `Discord's rule ${rule} was broken ${violations.count(rule)} times: ${last?.detail ?? ''}`;
  });
}

export interface SessionWatch {
  /** Sessions that ended and could not be resumed. */
  readonly lost: number;
  /** When the last of them ended, on the clock of `performance.now()`. */
  readonly lastLostAt: number;
}

/** Counts the sessions that end after this call. */
export function watchSessions(simulator: DiscordSimulator): SessionWatch {
  const watch = { lost: 0, lastLostAt: Number.NEGATIVE_INFINITY };
  simulator.watch((event) => {
    if (event.type !== 'gateway' || event.event !== 'session_ended') return;
    watch.lost++;
    watch.lastLostAt = performance.now();
  });
  return watch;
}

/** A pod that lost its session has a new one within this time. */
const IDENTIFY_MS = 15_000;

/** Marks events around the end of a session as unknown. Discord delivers those at most once. */
export function forgiveEvents({ entries }: Recorder, { lost, lastLostAt }: SessionWatch): void {
  if (lost === 0) return;
  for (const entry of entries) {
    if (entry.via === 'event' && entry.sentAt < lastLostAt + IDENTIFY_MS) entry.knowledge = 'unknown';
  }
}
