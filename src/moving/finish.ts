import { newest } from './authority.ts';
import { isUndecided } from './repeat.ts';
import type { MovingState } from './state.ts';
import { NOTHING, type Step } from './step.ts';

/**
 * Begins to be done: nothing here leaves any more, so from now on new guilds that belong elsewhere wait. Follow it with {@link finish} when
 * no handler of such a guild runs.
 * @param remaining whether any guild is left for which {@link isLeaving} holds
 */
export function beginFinish(state: MovingState, remaining: boolean): Step {
  return mayFinish(state, remaining) && !state.closing
    ? { writes: [{ kind: 'closing', closing: true }], sends: [] }
    : NOTHING;
}

/** This pod is done under the newest topology. @param remaining as for {@link beginFinish}, asked again */
export function finish(state: MovingState, remaining: boolean): Step {
  if (!state.closing) return NOTHING;
  if (!mayFinish(state, remaining)) return { writes: [{ kind: 'closing', closing: false }], sends: [] };
  return { writes: [{ kind: 'done', pod: state.ordinal, epoch: newest(state).epoch }], sends: [] };
}

/** Whether this pod is to go, and has not given all of its guilds away: they would be away when it ends now. */
export function endsEarly(state: MovingState): boolean {
  const { pods, epoch } = newest(state);
  return state.chain.length > 1 && state.ordinal >= pods && state.done.get(state.ordinal)?.has(epoch) !== true;
}

function mayFinish(state: MovingState, remaining: boolean): boolean {
  if (remaining || state.chain.length === 1 || state.parcels.size > 0 || state.recovering.size > 0) return false;
  if (state.done.get(state.ordinal)?.has(newest(state).epoch) === true) return false;
  return !state.records
    .values()
    .some((record) => (record.state === 'moved' && !record.confirmed) || isUndecided(state, record));
}
