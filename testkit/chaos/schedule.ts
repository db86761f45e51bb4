import type { Source } from '../faults/network.ts';
import type { ProxyMode } from '../faults/proxy.ts';
import { SeededRandom } from './random.ts';

/**
 * - `kill`: SIGKILL, then a restart after `durationMs`
 * - `stop`: SIGSTOP, then SIGCONT after `durationMs`
 * - `restart`: SIGTERM, then a restart when the process has ended
 * - `cut`: connections to one gateway pod are refused, reset or black-holed for `durationMs`
 * - `session`: Discord drops gateway connections in a way that allows a resume
 */
export const FAULT_KINDS = ['kill', 'stop', 'restart', 'cut', 'session'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export type PodRef = { readonly type: 'http' | 'gateway'; readonly index: number };

export type Fault = { readonly atMs: number } & (
  | { readonly kind: 'kill' | 'stop'; readonly pod: PodRef; readonly durationMs: number }
  | { readonly kind: 'restart'; readonly pod: PodRef }
  | {
      readonly kind: 'cut';
      readonly pod: PodRef;
      readonly durationMs: number;
      readonly mode: Exclude<ProxyMode, 'pass'>;
      readonly from: readonly Source[];
    }
  | { readonly kind: 'session'; readonly how: 'socket' | 'reconnect' | 'close' }
);

export interface ScheduleOptions {
  readonly seed: number;
  /** The latest time at which a fault begins. */
  readonly lengthMs: number;
  readonly kinds: readonly FaultKind[];
  readonly httpPods: number;
  readonly gatewayPods: number;
  /** Average time between two faults. */
  readonly everyMs: number;
}

/** A restarted pod has no fault for this long. Otherwise most faults would hit pods that are starting. */
const RECOVERY_MS = 3_000;
const MAX_DURATION_MS = 8_000;

/**
 * Plans the faults. Equal options give an equal schedule. A pod has one fault at a time. Several pods can have faults at the
 * same time, up to all gateway pods. At least one HTTP pod has no fault; otherwise no request would reach a pod.
 */
export function planFaults(options: ScheduleOptions): Fault[] {
  const { seed, lengthMs, kinds, httpPods, gatewayPods, everyMs } = options;
  const random = new SeededRandom(seed);
  const freeAt = { http: new Array<number>(httpPods).fill(0), gateway: new Array<number>(gatewayPods).fill(0) };
  const faults: Fault[] = [];

  const choosePod = (atMs: number, types: readonly PodRef['type'][]): PodRef | null => {
    const free = types.flatMap((type) =>
      freeAt[type].flatMap((until, index) => (until <= atMs ? [{ type, index }] : [])),
    );
    const candidates =
      free.filter(({ type }) => type === 'http').length > 1 ? free : free.filter(({ type }) => type !== 'http');
    return candidates.length === 0 ? null : random.pick(candidates);
  };

  for (let atMs = everyMs / 2; atMs < lengthMs && kinds.length > 0; atMs += everyMs * (0.4 + 1.2 * random.next())) {
    const kind = random.pick(kinds);
    if (kind === 'session') {
      faults.push({ atMs, kind, how: random.pick(['socket', 'reconnect', 'close']) });
      continue;
    }
    const pod = choosePod(atMs, kind === 'cut' ? ['gateway'] : ['gateway', 'http']);
    if (pod === null) continue;
    // Prefers short faults: they find as much as long ones, and more of them fit into a run.
    const durationMs = Math.round(300 + (MAX_DURATION_MS - 300) * random.next() ** 2);
    freeAt[pod.type][pod.index] = atMs + (kind === 'restart' ? 0 : durationMs) + RECOVERY_MS;
    if (kind === 'restart') {
      faults.push({ atMs, kind, pod });
    } else if (kind === 'cut') {
      const mode = random.pick(['refuse', 'reset', 'blackhole']);
      const from = random.pick<readonly Source[]>([['http'], ['http'], ['gateway'], ['http', 'gateway']]);
      faults.push({ atMs, kind, pod, durationMs, mode, from });
    } else {
      faults.push({ atMs, kind, pod, durationMs });
    }
  }
  return faults;
}

/** Describes a fault for the log of a run. */
export function describeFault(fault: Fault): string {
  const at = `${(fault.atMs / 1_000).toFixed(1)} s`;
  if (fault.kind === 'session') return `${at}  Discord drops sessions (${fault.how})`;
  const pod = `${fault.pod.type}-${fault.pod.index}`;
  if (fault.kind === 'restart') return `${at}  ${pod} restarted`;
  const lasting = `for ${(fault.durationMs / 1_000).toFixed(1)} s`;
  if (fault.kind === 'cut') {
    return `${at}  ${pod} cut off from ${fault.from.join(' and ')} pods (${fault.mode}) ${lasting}`;
  }
  return fault.kind === 'kill' ? `${at}  ${pod} killed, away ${lasting}` : `${at}  ${pod} stopped ${lasting}`;
}
