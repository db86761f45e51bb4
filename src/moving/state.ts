import type { TopologyRecord } from '../routing/topology.ts';

/**
 * One try of one pod to give guilds away: [the pod's incarnation, a counter of that process]. Greater means later. An acknowledgement
 * names its attempt, so that one of an earlier, undone attempt cannot give away rows that were written since.
 */
export type Attempt = readonly [incarnation: number, counter: number];

/**
 * What a pod knows about one guild that has moved or is moving. A guild moves at most once in each epoch, so the epoch is the version
 * that fences its messages. A guild without a record is where the topologies say.
 *
 * - `arriving`: its rows are here, complete and on disk, but the old owner may still serve it
 * - `here`: this pod owns it
 * - `moved`: this pod gave it away and keeps a copy of its rows. `confirmed`: the new owner has said that it serves. The record lives
 *   as long as the copy
 * - `awaiting`: this pod owns it, but lost its rows; the pod that gave them away has a copy
 */
export type GuildRecord =
  | { readonly state: 'arriving'; readonly epoch: number; readonly from: number; readonly attempt: Attempt }
  | { readonly state: 'here'; readonly epoch: number }
  | {
      readonly state: 'moved';
      readonly epoch: number;
      readonly to: number;
      readonly attempt: Attempt;
      readonly confirmed: boolean;
    }
  | { readonly state: 'awaiting'; readonly epoch: number; readonly from: number };

/** Guilds on their way to another pod. Exists in memory only: after a crash the pod still owns them. */
interface Parcel {
  readonly attempt: Attempt;
  readonly to: number;
  readonly epoch: number;
  readonly guilds: readonly string[];
}

/** The topologies from the one in force, which comes first, to the newest. Epochs ascend. Guilds move to the owner under the newest. */
export type Chain = readonly [TopologyRecord, ...TopologyRecord[]];

/**
 * Everything that the protocol knows in one pod. {@link applyWrites} changes it. `parcels`, `leaving` and `closing` are in memory only; the
 * rest is on disk.
 */
export interface MovingState {
  readonly ordinal: number;
  chain: Chain;
  readonly records: Map<string, GuildRecord>;
  /** By pod: the epochs under which it has given away every guild that is not its own. */
  readonly done: Map<number, ReadonlySet<number>>;
  /** Of guilds that came by a move in this epoch or an earlier one, the rows are here even without a record. 0 for an empty volume. */
  completeTo: number;
  readonly parcels: Map<string, Parcel>;
  /** The guilds of all parcels, for a quick answer to each request. */
  readonly leaving: Set<string>;
  /** This pod is about to be done: it begins nothing new for guilds without a record that belong elsewhere. */
  closing: boolean;
  /** Pods that have not yet said what they hold, after this pod's volume was restored or lost. */
  readonly recovering: Set<number>;
}

/** Changes of the state. Those of one {@link Step} are committed in one transaction, together with the rows that they name. */
export type Write =
  /** With the import of the guild's rows (`arriving`), or their removal and set-aside copy (`moved`), in the same transaction. */
  | { readonly kind: 'record'; readonly guild: string; readonly record: GuildRecord }
  /** The record has served its purpose. */
  | { readonly kind: 'forget'; readonly guild: string }
  | { readonly kind: 'chain'; readonly chain: Chain }
  | { readonly kind: 'done'; readonly pod: number; readonly epoch: number }
  /** Every pod is done under this epoch: what belongs to it and to older ones has served its purpose. */
  | { readonly kind: 'settled'; readonly epoch: number; readonly completeTo: number }
  | { readonly kind: 'recovering'; readonly pods: readonly number[] }
  | { readonly kind: 'heard'; readonly pod: number }
  // In memory only.
  | { readonly kind: 'parcel'; readonly parcel: Parcel }
  | { readonly kind: 'parcel-ended'; readonly attempt: Attempt }
  | { readonly kind: 'closing'; readonly closing: boolean };

/** Earlier than any other: the rows of an `arriving` guild with this attempt are no longer offered. */
export const NO_ATTEMPT: Attempt = [0, 0];

export const keyOf = ([incarnation, counter]: Attempt): string => `${incarnation}:${counter}`;

export const isLater = (a: Attempt, b: Attempt): boolean => a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);

export const sameAttempt = (a: Attempt, b: Attempt): boolean => a[0] === b[0] && a[1] === b[1];

/** What a pod knows that has placed its rows under a topology and moved nothing. @param completeTo 0 when its volume is empty */
export function initialState(ordinal: number, topology: TopologyRecord, completeTo = topology.epoch): MovingState {
  return {
    ordinal,
    completeTo,
    chain: [topology],
    records: new Map(),
    done: new Map(),
    parcels: new Map(),
    leaving: new Set(),
    closing: false,
    recovering: new Set(),
  };
}

/** Takes over changes that have been committed. */
export function applyWrites(state: MovingState, writes: readonly Write[]): void {
  for (const write of writes) {
    switch (write.kind) {
      case 'record':
        state.records.set(write.guild, write.record);
        break;
      case 'forget':
        state.records.delete(write.guild);
        break;
      case 'chain':
        state.chain = write.chain;
        // What belongs to an older topology ends here: nothing is given away under it any more.
        state.closing = false;
        state.parcels.clear();
        state.leaving.clear();
        break;
      case 'done':
        state.done.set(write.pod, new Set([...(state.done.get(write.pod) ?? []), write.epoch]));
        if (write.pod === state.ordinal) state.closing = false;
        break;
      case 'settled':
        for (const [guild, { state: of, epoch }] of state.records) {
          if (epoch <= write.epoch && (of === 'here' || of === 'arriving')) state.records.delete(guild);
        }
        for (const [pod, epochs] of state.done) {
          state.done.set(pod, new Set([...epochs].filter((epoch) => epoch > write.epoch)));
        }
        state.completeTo = write.completeTo;
        break;
      case 'parcel':
        endParcel(state, write.parcel.attempt);
        state.parcels.set(keyOf(write.parcel.attempt), write.parcel);
        for (const guild of write.parcel.guilds) state.leaving.add(guild);
        break;
      case 'parcel-ended':
        endParcel(state, write.attempt);
        break;
      case 'closing':
        state.closing = write.closing;
        break;
      case 'recovering':
        for (const pod of write.pods) state.recovering.add(pod);
        break;
      case 'heard':
        state.recovering.delete(write.pod);
        break;
    }
  }
}

function endParcel(state: MovingState, attempt: Attempt): void {
  const parcel = state.parcels.get(keyOf(attempt));
  if (parcel === undefined) return;
  state.parcels.delete(keyOf(attempt));
  for (const guild of parcel.guilds) state.leaving.delete(guild);
}
