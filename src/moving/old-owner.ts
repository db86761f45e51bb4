import { authorityOf, newest, type OwnerOf } from './authority.ts';
import type { Held, Send } from './messages.ts';
import {
  type Attempt,
  type GuildRecord,
  keyOf,
  type MovingState,
  NO_ATTEMPT,
  sameAttempt,
  type Write,
} from './state.ts';
import { NOTHING, type Of, type Step, to } from './step.ts';

type Moved = Extract<GuildRecord, { state: 'moved' }>;

/** Whether this pod is to give a guild away. The caller names only guilds that have rows or a record here. */
export function isLeaving(state: MovingState, guild: string, ownerOf: OwnerOf): boolean {
  if (state.recovering.size > 0 || ownerOf(newest(state), guild) === state.ordinal) return false;
  const record = state.records.get(guild);
  if (record !== undefined) return record.state === 'here';
  return authorityOf(state, guild, ownerOf) === state.ordinal;
}

/** From now on requests for these guilds wait. Give it guilds for which {@link isLeaving} holds, of one new owner, that are in no parcel. */
export function beginParcel(state: MovingState, attempt: Attempt, guilds: readonly string[], ownerOf: OwnerOf): Step {
  const topology = newest(state);
  const owner = ownerOf(topology, guilds[0] as string);
  return { writes: [{ kind: 'parcel', parcel: { attempt, to: owner, epoch: topology.epoch, guilds } }], sends: [] };
}

/** Serves some guilds of a parcel again, such as one with a handler that runs on. */
export function shrinkParcel(state: MovingState, attempt: Attempt, stay: ReadonlySet<string>): Step {
  const parcel = state.parcels.get(keyOf(attempt));
  if (parcel === undefined) return NOTHING;
  const guilds = parcel.guilds.filter((guild) => !stay.has(guild));
  return guilds.length === 0
    ? undoParcel(state, attempt)
    : { writes: [{ kind: 'parcel', parcel: { ...parcel, guilds } }], sends: [] };
}

/**
 * Offers the rows of guilds that are still served. Begin the parcel of this attempt when the new owner has stored them. Give them away only
 * if their rows are still those of the offer.
 */
export function offerServed(state: MovingState, attempt: Attempt, guilds: readonly string[], ownerOf: OwnerOf): Send {
  const topology = newest(state);
  const owner = ownerOf(topology, guilds[0] as string);
  return to(owner, { kind: 'offer', epoch: topology.epoch, attempt, guilds, again: false });
}

/** No handler of these guilds runs: their rows, as they are now, go to the new owner. */
export function offerParcel(state: MovingState, attempt: Attempt): Step {
  const parcel = state.parcels.get(keyOf(attempt));
  if (parcel === undefined) return NOTHING;
  const { epoch, guilds } = parcel;
  return { writes: [], sends: [to(parcel.to, { kind: 'offer', epoch, attempt, guilds, again: false })] };
}

/** Serves the guilds of a parcel again: the new owner has not answered in time, or refused. A later answer changes nothing. */
export function undoParcel(state: MovingState, attempt: Attempt): Step {
  if (!state.parcels.has(keyOf(attempt))) return NOTHING;
  return { writes: [{ kind: 'parcel-ended', attempt }], sends: [] };
}

/** The step that gives guilds away, and the only one. */
export function onStored(state: MovingState, from: number, { epoch, attempt, guilds }: Of<'stored'>): Step {
  const parcel = state.parcels.get(keyOf(attempt));
  const leaving =
    parcel?.to === from && parcel.epoch === epoch ? guilds.filter((guild) => parcel.guilds.includes(guild)) : [];
  // A copy that the new owner asked for again after it lost its volume.
  const again = guilds.filter((guild) => {
    const record = state.records.get(guild);
    return record?.state === 'moved' && record.to === from && sameAttempt(record.attempt, attempt);
  });
  if (leaving.length + again.length === 0) return NOTHING;
  const writes: Write[] = leaving.map((guild) => ({
    kind: 'record',
    guild,
    record: { state: 'moved', epoch, to: from, attempt, confirmed: false },
  }));
  // The new owner left some out: this pod goes on serving those.
  if (leaving.length > 0) writes.push({ kind: 'parcel-ended', attempt });
  return { writes, sends: [to(from, { kind: 'given', epoch, attempt, guilds: [...leaving, ...again] })] };
}

export function onActive(state: MovingState, from: number, { epoch, guilds }: Of<'active'>): Step {
  const writes = movedTo(state, from, epoch, guilds)
    .filter(([, { confirmed }]) => !confirmed)
    .map(([guild, record]): Write => ({ kind: 'record', guild, record: { ...record, confirmed: true } }));
  return { writes, sends: [] };
}

/**
 * The copies that were set aside go there again, under the attempt that moved them. The caller replaces an offer whose copy has expired by
 * `gone`.
 */
export function onLost(state: MovingState, from: number, { epoch, guilds }: Of<'lost'>, ownerOf: OwnerOf): Step {
  const byAttempt = Map.groupBy(movedTo(state, from, epoch, guilds), ([, { attempt }]) => keyOf(attempt));
  const sends = [...byAttempt.values()].map((moved) => {
    const [[, { attempt }]] = moved as [[string, Moved]];
    return to(from, { kind: 'offer', epoch, attempt, guilds: moved.map(([guild]) => guild), again: true });
  });
  // The record and the copy have been forgotten, or this pod's volume was lost too. It can never serve the guild by that epoch again.
  const gone = guilds.filter(
    (guild) =>
      !state.records.has(guild) && state.chain[0].epoch >= epoch && authorityOf(state, guild, ownerOf) === from,
  );
  if (gone.length > 0) sends.push(to(from, { kind: 'gone', epoch, guilds: gone }));
  return { writes: [], sends };
}

/**
 * Forgets guilds that were given away long ago: the topology is in force, the new owners serve, and no copy is left to offer.
 * @param guilds some of those with a record
 */
export function forgetMoved(
  state: MovingState,
  guilds: Iterable<string>,
  hasCopy: (guild: string, epoch: number) => boolean,
): Step {
  const writes: Write[] = [];
  for (const guild of guilds) {
    const record = state.records.get(guild);
    if (record?.state !== 'moved' || !record.confirmed || record.epoch > state.chain[0].epoch) continue;
    if (!hasCopy(guild, record.epoch)) writes.push({ kind: 'forget', guild });
  }
  return { writes, sends: [] };
}

export function onAsk(state: MovingState, from: number, { epoch, guilds }: Of<'ask'>): Step {
  const kept = guilds.filter((guild) => {
    const record = state.records.get(guild);
    return !(record?.state === 'moved' && record.to === from && record.epoch === epoch);
  });
  // While this pod does not know a newer topology, it may still give them away.
  if (kept.length === 0 || epoch >= newest(state).epoch) return NOTHING;
  return { writes: [], sends: [to(from, { kind: 'kept', epoch, guilds: kept })] };
}

/** This pod was restored from before it gave these guilds away. */
export function onElsewhere(state: MovingState, from: number, guilds: readonly Held[]): Write[] {
  return guilds.flatMap(({ guild, epoch }): Write[] => {
    const record = state.records.get(guild);
    if (record !== undefined && record.epoch >= epoch) return [];
    return [
      { kind: 'record', guild, record: { state: 'moved', epoch, to: from, attempt: NO_ATTEMPT, confirmed: true } },
    ];
  });
}

const movedTo = (state: MovingState, pod: number, epoch: number, guilds: readonly string[]): [string, Moved][] =>
  guilds.flatMap((guild) => {
    const record = state.records.get(guild);
    return record?.state === 'moved' && record.to === pod && record.epoch === epoch ? [[guild, record] as const] : [];
  }) as [string, Moved][];
