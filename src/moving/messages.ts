import type { Attempt, Chain } from './state.ts';

/** A guild and the epoch of its last move, as one pod holds it. */
export interface Held {
  readonly guild: string;
  readonly epoch: number;
}

/**
 * What two gateway pods say to each other about moving guilds. Each message may be lost, repeated, delayed or overtaken: an old one changes
 * nothing. One exception is left to the transport: after a `recover`, it drops what an earlier process of that pod has sent, because that
 * process may have known what the restored one does not.
 */
export type Message =
  /**
   * Old owner: here are the rows of these guilds, as of this attempt. The rows travel beside the message. `again`: they are yours already,
   * and this is the copy that was set aside.
   */
  | {
      readonly kind: 'offer';
      readonly epoch: number;
      readonly attempt: Attempt;
      readonly guilds: readonly string[];
      readonly again: boolean;
    }
  /** New owner: the rows of these guilds are on my disk. */
  | { readonly kind: 'stored'; readonly epoch: number; readonly attempt: Attempt; readonly guilds: readonly string[] }
  /** Old owner: these guilds are yours. */
  | { readonly kind: 'given'; readonly epoch: number; readonly attempt: Attempt; readonly guilds: readonly string[] }
  /** New owner: I serve these guilds, or have given them on. */
  | { readonly kind: 'active'; readonly epoch: number; readonly guilds: readonly string[] }
  /** New owner, about `given` or by itself: I have no rows of these guilds. My volume was lost, or restored from before they arrived. */
  | { readonly kind: 'lost'; readonly epoch: number; readonly guilds: readonly string[] }
  /** Old owner, about `lost`: I have no copy of these guilds any more, and I never will serve them under that epoch. */
  | { readonly kind: 'gone'; readonly epoch: number; readonly guilds: readonly string[] }
  /** New owner, when a newer topology came in between: did you give me these guilds? */
  | { readonly kind: 'ask'; readonly epoch: number; readonly guilds: readonly string[] }
  /** Old owner, about `ask`: I did not, and I never will under that epoch. */
  | { readonly kind: 'kept'; readonly epoch: number; readonly guilds: readonly string[] }
  /** New owner, about `offer`: I own these guilds already. The sender was restored from before it gave them away. */
  | { readonly kind: 'elsewhere'; readonly guilds: readonly Held[] }
  /** From time to time, to every pod. */
  | { readonly kind: 'news'; readonly news: News }
  /** A pod whose volume was restored or lost: what of mine do you have? */
  | { readonly kind: 'recover' }
  /** The answer to `recover`: the guilds that the sender owns by a record, and those that it gave to the asking pod. */
  | { readonly kind: 'held'; readonly news: News; readonly guilds: readonly Held[]; readonly gave: readonly Held[] };

/** The topologies, and which pod is done under which. */
export interface News {
  readonly chain: Chain;
  readonly done: readonly (readonly [pod: number, epoch: number])[];
}

export interface Send {
  readonly to: number;
  readonly message: Message;
}
