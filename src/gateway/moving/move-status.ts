import { newest } from '../../moving/authority.ts';
import type { MovingState } from '../../moving/state.ts';
import { asVariables, fingerprintOf, type TopologyRecord } from '../../routing/topology.ts';

/** Guilds that were given away, and whose new owners have not confirmed that they serve. */
export function unconfirmedGuilds({ records }: MovingState): number {
  let unconfirmed = 0;
  for (const record of records.values()) if (record.state === 'moved' && !record.confirmed) unconfirmed++;
  return unconfirmed;
}

/** Pods beyond the newest number that do not answer. They may have guilds; those that never ran have none. */
export function absentPods(state: MovingState, silent: ReadonlySet<number>): number[] {
  const { pods, epoch } = newest(state);
  return [...silent].filter((pod) => pod >= pods && state.done.get(pod)?.has(epoch) !== true);
}

/** Why the topology that a pod was given is not in use, or what its move waits for, as a sentence; null: all is well. */
export function moveProblem(state: MovingState, given: TopologyRecord, silent: ReadonlySet<number>): string | null {
  const known = state.chain.find(({ epoch }) => epoch === given.epoch);
  // With one pod, every strategy places every guild at pod 0.
  const same = known === undefined || fingerprintOf(known) === fingerprintOf(given) || known.pods + given.pods === 2;
  if (!same) {
    return `this pod was given ${asVariables(given)}, but the rows are placed under ${asVariables(known)}: they go on being served there. To move them, set TOPOLOGY_EPOCH=${newest(state).epoch + 1}`;
  }
  if (given.epoch > newest(state).epoch && state.ordinal !== 0)
    return `this pod was given ${asVariables(given)}, and gateway-0 has not begun with it: guilds move when it has the same values`;
  const absent = state.chain.length > 1 ? absentPods(state, silent) : [];
  if (absent.length === 0) return null;
  return `${names(absent)} may have guilds under a topology that is not over, and does not answer: start it until it has given them away. If it never had any, set TOPOLOGY_CONFIRMED=${fingerprintOf(given)}`;
}

/** Why a pod whose volume is new or was restored serves nothing, as a sentence; null: it serves. */
export function recoveryProblem({ recovering }: MovingState, given: TopologyRecord): string | null {
  if (recovering.size === 0) return null;
  return `the volume is new or was restored: waiting for ${names([...recovering])} to say which guilds moved. If they cannot answer and have no guilds of this pod, set TOPOLOGY_CONFIRMED=${fingerprintOf(given)}`;
}

const names = (pods: readonly number[]): string => pods.map((pod) => `gateway-${pod}`).join(', ');
