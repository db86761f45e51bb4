import { authorityOf, newest, type OwnerOf } from './authority.ts';
import type { Held, Send } from './messages.ts';
import { isLater, type MovingState, NO_ATTEMPT, sameAttempt, type Write } from './state.ts';
import { arriving, NOTHING, type Of, type Step, to } from './step.ts';

export function onOffer(state: MovingState, from: number, message: Of<'offer'>, ownerOf: OwnerOf): Step {
  const { epoch, attempt, guilds, again } = message;
  // The sender does not know the newest topology yet. This pod may be done under it, and takes nothing more that it would have to give on.
  if (!again && epoch !== newest(state).epoch) return NOTHING;
  const writes: Write[] = [];
  const stored: string[] = [];
  const elsewhere: Held[] = [];
  for (const guild of guilds) {
    const record = state.records.get(guild);
    if (record !== undefined && record.epoch > epoch) {
      elsewhere.push({ guild, epoch: record.epoch });
    } else if (record?.epoch === epoch && (record.state === 'here' || record.state === 'moved')) {
      elsewhere.push({ guild, epoch });
    } else if (record?.state === 'arriving' && record.epoch === epoch) {
      // A copy that was set aside is of the attempt that gave the guild away, whatever has been offered besides.
      if (record.from !== from || (!again && isLater(record.attempt, attempt))) continue;
      if (!sameAttempt(record.attempt, attempt)) writes.push(arriving(guild, epoch, from, attempt));
      stored.push(guild);
    } else if (record?.state === 'here') {
      // It came by an earlier move and has not left since: the sender was restored from before that move.
      elsewhere.push({ guild, epoch: record.epoch });
    } else if (record === undefined && authorityOf(state, guild, ownerOf) === state.ordinal) {
      elsewhere.push({ guild, epoch });
    } else {
      writes.push(arriving(guild, epoch, from, attempt));
      stored.push(guild);
    }
  }
  const sends: Send[] = [];
  if (stored.length > 0) sends.push(to(from, { kind: 'stored', epoch, attempt, guilds: stored }));
  if (elsewhere.length > 0) sends.push(to(from, { kind: 'elsewhere', guilds: elsewhere }));
  return { writes, sends };
}

export function onGiven(
  state: MovingState,
  from: number,
  { epoch, attempt, guilds }: Of<'given'>,
  ownerOf: OwnerOf,
): Step {
  const writes: Write[] = [];
  const active: string[] = [];
  const lost: string[] = [];
  for (const guild of guilds) {
    const record = state.records.get(guild);
    if (record?.state === 'arriving' && record.epoch === epoch) {
      if (record.from === from && sameAttempt(record.attempt, attempt)) {
        writes.push({ kind: 'record', guild, record: { state: 'here', epoch } });
        active.push(guild);
      } else if (record.from === from) lost.push(guild);
    } else if (record?.state === 'awaiting') {
      if (record.epoch === epoch && record.from === from) lost.push(guild);
      else if (record.epoch > epoch) active.push(guild);
    } else if (record !== undefined && record.epoch >= epoch) {
      active.push(guild);
    } else if (record === undefined && (state.completeTo >= epoch || ownerOf(newest(state), guild) !== state.ordinal)) {
      active.push(guild);
    } else lost.push(guild);
  }
  const sends: Send[] = [];
  if (active.length > 0) sends.push(to(from, { kind: 'active', epoch, guilds: active }));
  if (lost.length > 0) sends.push(to(from, { kind: 'lost', epoch, guilds: lost }));
  return { writes, sends };
}

/** No pod has the rows of these guilds: this pod serves them with what it has. */
export function onGone(state: MovingState, from: number, { epoch, guilds }: Of<'gone'>): Step {
  const writes = guilds
    .filter((guild) => {
      const record = state.records.get(guild);
      return record?.state === 'awaiting' && record.from === from && record.epoch === epoch;
    })
    .map((guild): Write => ({ kind: 'record', guild, record: { state: 'here', epoch } }));
  return { writes, sends: [] };
}

export function onKept(state: MovingState, from: number, { epoch, guilds }: Of<'kept'>): Step {
  const writes = guilds
    .filter((guild) => {
      const record = state.records.get(guild);
      return record?.state === 'arriving' && record.from === from && record.epoch === epoch;
    })
    .map((guild) => arriving(guild, epoch, from, NO_ATTEMPT));
  return { writes, sends: [] };
}
