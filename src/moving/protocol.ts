import { authorityOf, everyPod, newest, type OwnerOf } from './authority.ts';
import type { Held, Message, News, Send } from './messages.ts';
import {
  type Attempt,
  type Chain,
  type GuildRecord,
  isLater,
  keyOf,
  type MovingState,
  sameAttempt,
  type Write,
} from './state.ts';

/**
 * What follows from one input. Commit all writes in one transaction, take them over with {@link applyWrites}, and only then send the messages.
 * When the commit fails, nothing has happened: the input, or a timer, brings the same step again.
 */
export interface Step {
  readonly writes: readonly Write[];
  readonly sends: readonly Send[];
}

const NOTHING: Step = { writes: [], sends: [] };
const to = (pod: number, message: Message): Send => ({ to: pod, message });
type Moved = Extract<GuildRecord, { state: 'moved' }>;

// Topologies

/**
 * Pod 0 decides which topology comes next, so that two operators cannot each have their own.
 * @returns a refusal in words, or the step that adopts it; an empty step when it is known already
 */
export function adoptTopology(state: MovingState, topology: Chain[0]): Step | { readonly refused: string } {
  const last = newest(state);
  if (topology.epoch > last.epoch) return { writes: [{ kind: 'chain', chain: [...state.chain, topology] }], sends: [] };
  const known = state.chain.find(({ epoch }) => epoch === topology.epoch);
  if (known !== undefined && isSame(known, topology)) return NOTHING;
  return {
    refused: `epoch ${topology.epoch} ${known === undefined ? 'is over' : 'has another topology'}: set TOPOLOGY_EPOCH to ${last.epoch + 1} or more`,
  };
}

const isSame = (a: Chain[0], b: Chain[0]): boolean =>
  a.strategy === b.strategy && a.pods === b.pods && a.shards === b.shards;

/** What every pod tells every other one from time to time. */
export function newsOf({ chain, done }: MovingState): News {
  return { chain, done: [...done].flatMap(([pod, epochs]) => [...epochs].map((epoch) => [pod, epoch] as const)) };
}

function learn(state: MovingState, { chain, done }: News): Write[] {
  const writes: Write[] = [];
  const [theirs] = chain;
  const [ours] = state.chain;
  let known: Chain = state.chain;
  if (theirs.epoch > ours.epoch) {
    // The sender has seen every pod done, this one too.
    const rest = state.chain.filter(({ epoch }) => epoch > theirs.epoch);
    known = [theirs, ...rest];
    const complete = state.recovering.size === 0 ? theirs.epoch : state.completeTo;
    writes.push({ kind: 'settled', completeTo: complete });
  }
  const last = known.at(-1)?.epoch ?? 0;
  const newer = chain.filter(({ epoch }) => epoch > last);
  if (newer.length > 0) known = [...known, ...newer];
  if (known !== state.chain) writes.push({ kind: 'chain', chain: known });
  const settled = writes.some(({ kind }) => kind === 'settled');
  for (const [pod, epoch] of done) {
    const isNew = settled || state.done.get(pod)?.has(epoch) !== true;
    if (isNew && known.some((topology, index) => index > 0 && topology.epoch === epoch))
      writes.push({ kind: 'done', pod, epoch });
  }
  return writes;
}

/** The topologies that the pod may forget: every pod is done under the newest one. Call it from time to time. */
export function settle(state: MovingState): Step {
  const target = newest(state);
  if (state.chain.length === 1 || state.recovering.size > 0) return NOTHING;
  if (!everyPod(state).every((pod) => state.done.get(pod)?.has(target.epoch))) return NOTHING;
  return {
    writes: [
      { kind: 'settled', completeTo: target.epoch },
      { kind: 'chain', chain: [target] },
    ],
    sends: [],
  };
}

// The old owner

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

/** No handler of these guilds runs: their rows, as they are now, go to the new owner. */
export function offerParcel(state: MovingState, attempt: Attempt): Step {
  const parcel = state.parcels.get(keyOf(attempt));
  if (parcel === undefined) return NOTHING;
  const { epoch, guilds } = parcel;
  return { writes: [], sends: [to(parcel.to, { kind: 'offer', epoch, attempt, guilds })] };
}

/** Serves the guilds of a parcel again: the new owner has not answered in time, or refused. */
export function undoParcel(state: MovingState, attempt: Attempt): Step {
  const parcel = state.parcels.get(keyOf(attempt));
  if (parcel === undefined) return NOTHING;
  return {
    writes: [{ kind: 'parcel-ended', attempt }],
    sends: [to(parcel.to, { kind: 'undone', epoch: parcel.epoch, attempt })],
  };
}

/** What may have been lost on the way. Call it from time to time. */
export function repeat(state: MovingState): Step {
  const sends: Send[] = [];
  for (const [pod, { epoch, attempt, guilds }] of grouped(state))
    sends.push(to(pod, { kind: 'given', epoch, attempt, guilds }));
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
  return ![...state.records.values()].some((record) => record.state === 'moved' && !record.confirmed);
}

// A volume that was restored or lost

/** This pod has found that its volume was restored or lost. It serves nothing until every other pod has said what it holds. */
export function beginRecovery(state: MovingState): Step {
  const pods = everyPod(state).filter((pod) => pod !== state.ordinal);
  return { writes: [{ kind: 'recovering', pods }], sends: pods.map((pod) => to(pod, { kind: 'recover' })) };
}

// Messages

/** What follows from a message of another pod. */
export function receive(state: MovingState, from: number, message: Message, ownerOf: OwnerOf): Step {
  switch (message.kind) {
    case 'news':
      return { writes: learn(state, message.news), sends: [] };
    case 'recover':
      return onRecover(state, from);
    case 'held':
      return onHeld(state, from, message, ownerOf);
    case 'elsewhere':
      return { writes: onElsewhere(state, from, message.guilds), sends: [] };
  }
  // All others belong to one epoch. What comes from one that is over is old; one that is not known yet comes again.
  if (!state.chain.some(({ epoch }) => epoch === message.epoch) || state.recovering.size > 0) return NOTHING;
  switch (message.kind) {
    case 'offer':
      return onOffer(state, from, message, ownerOf);
    case 'stored':
      return onStored(state, from, message);
    case 'given':
      return onGiven(state, from, message, ownerOf);
    case 'active':
      return onActive(state, from, message);
    case 'lost':
      return onLost(state, from, message);
    case 'undone':
      return onUndone(state, from, message);
  }
}

type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

function onOffer(state: MovingState, from: number, { epoch, attempt, guilds }: Of<'offer'>, ownerOf: OwnerOf): Step {
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
      if (record.from !== from || isLater(record.attempt, attempt)) continue;
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

const arriving = (guild: string, epoch: number, from: number, attempt: Attempt): Write => ({
  kind: 'record',
  guild,
  record: { state: 'arriving', epoch, from, attempt },
});

/** The step that gives guilds away, and the only one. */
function onStored(state: MovingState, from: number, { epoch, attempt, guilds }: Of<'stored'>): Step {
  const parcel = state.parcels.get(keyOf(attempt));
  const leaving = parcel?.to === from ? guilds.filter((guild) => parcel.guilds.includes(guild)) : [];
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

function onGiven(state: MovingState, from: number, { epoch, attempt, guilds }: Of<'given'>, ownerOf: OwnerOf): Step {
  const writes: Write[] = [];
  const active: string[] = [];
  const lost: string[] = [];
  for (const guild of guilds) {
    const record = state.records.get(guild);
    if (record?.state === 'arriving' && record.epoch === epoch) {
      if (record.from !== from || !sameAttempt(record.attempt, attempt)) continue;
      writes.push({ kind: 'record', guild, record: { state: 'here', epoch } });
      active.push(guild);
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

const movedTo = (state: MovingState, pod: number, epoch: number, guilds: readonly string[]): [string, Moved][] =>
  guilds.flatMap((guild) => {
    const record = state.records.get(guild);
    return record?.state === 'moved' && record.to === pod && record.epoch === epoch ? [[guild, record] as const] : [];
  }) as [string, Moved][];

function onActive(state: MovingState, from: number, { epoch, guilds }: Of<'active'>): Step {
  const writes = movedTo(state, from, epoch, guilds)
    .filter(([, { confirmed }]) => !confirmed)
    .map(([guild, record]): Write => ({ kind: 'record', guild, record: { ...record, confirmed: true } }));
  return { writes, sends: [] };
}

/** The copies that were set aside go there again, under the attempt that moved them. */
function onLost(state: MovingState, from: number, { epoch, guilds }: Of<'lost'>): Step {
  const sends = movedTo(state, from, epoch, guilds).map(([guild, { attempt }]) =>
    to(from, { kind: 'offer', epoch, attempt, guilds: [guild] }),
  );
  return { writes: [], sends };
}

function onUndone(state: MovingState, from: number, { attempt }: Of<'undone'>): Step {
  const writes: Write[] = [];
  for (const [guild, record] of state.records) {
    if (record.state === 'arriving' && record.from === from && sameAttempt(record.attempt, attempt))
      writes.push({ kind: 'forget', guild });
  }
  return { writes, sends: [] };
}

/** This pod was restored from before it gave these guilds away. */
function onElsewhere(state: MovingState, from: number, guilds: readonly Held[]): Write[] {
  return guilds.flatMap(({ guild, epoch }): Write[] => {
    const record = state.records.get(guild);
    if (record !== undefined && record.epoch >= epoch) return [];
    return [{ kind: 'record', guild, record: { state: 'moved', epoch, to: from, attempt: [0, 0], confirmed: true } }];
  });
}

function onRecover(state: MovingState, from: number): Step {
  const writes: Write[] = [];
  const guilds: Held[] = [];
  const gave: Held[] = [];
  for (const [guild, record] of state.records) {
    if (record.state === 'here') guilds.push({ guild, epoch: record.epoch });
    // It has these rows as they were, or newer ones, and does not remember the attempt.
    if (record.state === 'arriving' && record.from === from) writes.push({ kind: 'forget', guild });
    if (record.state !== 'moved' || record.to !== from) continue;
    gave.push({ guild, epoch: record.epoch });
    if (record.confirmed) writes.push({ kind: 'record', guild, record: { ...record, confirmed: false } });
  }
  for (const { attempt, to: pod } of state.parcels.values()) {
    if (pod === from) writes.push({ kind: 'parcel-ended', attempt });
  }
  return { writes, sends: [to(from, { kind: 'held', news: newsOf(state), guilds, gave })] };
}

function onHeld(state: MovingState, from: number, { news, guilds, gave }: Of<'held'>, ownerOf: OwnerOf): Step {
  if (!state.recovering.has(from)) return NOTHING;
  const writes = learn(state, news);
  writes.push(...onElsewhere(state, from, guilds));
  for (const { guild, epoch } of gave) {
    const record = state.records.get(guild);
    const has = record === undefined ? state.completeTo >= epoch : record.epoch >= epoch && record.state !== 'arriving';
    if (!has) writes.push({ kind: 'record', guild, record: { state: 'awaiting', epoch, from } });
  }
  writes.push({ kind: 'heard', pod: from });
  if (state.recovering.size === 1) writes.push(...givenOnSince(state, writes, ownerOf));
  return { writes, sends: [] };
}

/**
 * The last pod has answered. Guilds that came here by a move of an epoch that is over, and that belong to another pod now, have been given
 * on in between: their new owner needs no record of them any more.
 */
function givenOnSince(state: MovingState, writes: readonly Write[], ownerOf: OwnerOf): Write[] {
  const records = new Map(state.records);
  let [inForce] = state.chain;
  for (const write of writes) {
    if (write.kind === 'record') records.set(write.guild, write.record);
    if (write.kind === 'chain') [inForce] = write.chain;
  }
  return [...records].flatMap(([guild, { state: of, epoch }]): Write[] =>
    of === 'awaiting' && epoch <= inForce.epoch && ownerOf(inForce, guild) !== state.ordinal
      ? [{ kind: 'forget', guild }]
      : [],
  );
}
