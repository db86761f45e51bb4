import { newest } from './authority.ts';
import type { Send } from './messages.ts';
import { type Attempt, type GuildRecord, keyOf, type MovingState, NO_ATTEMPT, sameAttempt } from './state.ts';
import { NOTHING, type Step, to } from './step.ts';

/** What may have been lost on the way. Call it from time to time. */
export function repeat(state: MovingState): Step {
  const sends: Send[] = [];
  for (const [pod, { epoch, attempt, guilds }] of grouped(state))
    sends.push(to(pod, { kind: 'given', epoch, attempt, guilds }));
  for (const [guild, record] of state.records) {
    if (isUndecided(state, record)) sends.push(to(record.from, { kind: 'ask', epoch: record.epoch, guilds: [guild] }));
  }
  for (const pod of state.recovering) sends.push(to(pod, { kind: 'recover' }));
  return { writes: [], sends };
}

/** Guilds that were given away and not confirmed, by the attempt that moved them. */
function grouped(state: MovingState): [pod: number, group: { epoch: number; attempt: Attempt; guilds: string[] }][] {
  const groups = new Map<string, [number, { epoch: number; attempt: Attempt; guilds: string[] }]>();
  for (const [guild, record] of state.records) {
    if (record.state !== 'moved' || record.confirmed) continue;
    const key = `${record.to} ${record.epoch} ${keyOf(record.attempt)}`;
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, [record.to, { epoch: record.epoch, attempt: record.attempt, guilds: [guild] }]);
    } else group[1].guilds.push(guild);
  }
  return [...groups.values()];
}

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

function mayFinish(state: MovingState, remaining: boolean): boolean {
  if (remaining || state.chain.length === 1 || state.parcels.size > 0 || state.recovering.size > 0) return false;
  if (state.done.get(state.ordinal)?.has(newest(state).epoch) === true) return false;
  return ![...state.records.values()].some(
    (record) => (record.state === 'moved' && !record.confirmed) || isUndecided(state, record),
  );
}

type Arriving = Extract<GuildRecord, { state: 'arriving' }>;

/** Whether a guild was arriving when a newer topology came, and the old owner has not yet said whether it gave it away. */
function isUndecided(state: MovingState, record: GuildRecord): record is Arriving {
  return record.state === 'arriving' && record.epoch < newest(state).epoch && !sameAttempt(record.attempt, NO_ATTEMPT);
}
