import { everyPod, type OwnerOf } from './authority.ts';
import type { Held } from './messages.ts';
import { onElsewhere } from './old-owner.ts';
import { type Chain, type MovingState, NO_ATTEMPT, type Write } from './state.ts';
import { arriving, NOTHING, type Of, type Step, to } from './step.ts';
import { learn, newsOf } from './topologies.ts';

/**
 * This pod has found that its volume was restored or lost. It serves nothing until every other pod has said what it holds.
 * @param given from its environment: the volume may be older than this topology
 */
export function beginRecovery(state: MovingState, given: Chain[0]): Step {
  const pods = everyPod({ chain: [given, ...state.chain] }).filter((pod) => pod !== state.ordinal);
  return { writes: [{ kind: 'recovering', pods }], sends: pods.map((pod) => to(pod, { kind: 'recover' })) };
}

export function onRecover(state: MovingState, from: number): Step {
  const writes: Write[] = [];
  const guilds: Held[] = [];
  const gave: Held[] = [];
  for (const [guild, record] of state.records) {
    if (record.state === 'here') guilds.push({ guild, epoch: record.epoch });
    // The restored pod does not know this attempt, and its next ones may have lower numbers.
    if (record.state === 'arriving' && record.from === from)
      writes.push(arriving(guild, record.epoch, from, NO_ATTEMPT));
    if (record.state !== 'moved' || record.to !== from) continue;
    gave.push({ guild, epoch: record.epoch });
    if (record.confirmed) writes.push({ kind: 'record', guild, record: { ...record, confirmed: false } });
  }
  for (const { attempt, to: pod } of state.parcels.values()) {
    if (pod === from) writes.push({ kind: 'parcel-ended', attempt });
  }
  return { writes, sends: [to(from, { kind: 'held', news: newsOf(state), guilds, gave })] };
}

export function onHeld(state: MovingState, from: number, { news, guilds, gave }: Of<'held'>, ownerOf: OwnerOf): Step {
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
