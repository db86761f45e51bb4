import type { Attempt, Chain } from './state.ts';

/** A guild and the epoch of its last move, as one pod holds it. */
export interface Held {
  readonly guild: string;
  readonly epoch: number;
}

/**
 * What two gateway pods say to each other about moving guilds. Each message may be lost, repeated, delayed or overtaken: an old one changes
 * nothing.
 */
export type Message =
  /** Old owner: here are the rows of these guilds, as of this attempt. The rows travel beside the message. */
  | { readonly kind: 'offer'; readonly epoch: number; readonly attempt: Attempt; readonly guilds: readonly string[] }
  /** New owner: the rows of these guilds are on my disk. */
  | { readonly kind: 'stored'; readonly epoch: number; readonly attempt: Attempt; readonly guilds: readonly string[] }
  /** Old owner: these guilds are yours. */
  | { readonly kind: 'given'; readonly epoch: number; readonly attempt: Attempt; readonly guilds: readonly string[] }
  /** New owner: I serve these guilds, or have given them on. */
  | { readonly kind: 'active'; readonly epoch: number; readonly guilds: readonly string[] }
  /** New owner, about `given`: I have no rows of these guilds. My volume was lost, or restored from before they arrived. */
  | { readonly kind: 'lost'; readonly epoch: number; readonly guilds: readonly string[] }
  /** Old owner: I serve the guilds of this attempt again. */
  | { readonly kind: 'undone'; readonly epoch: number; readonly attempt: Attempt }
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
