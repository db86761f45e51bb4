import type { Topology } from '../../src/public-routing.ts';

/** The parameters of a peer's start. */
export interface PeerContext {
  /** The port to listen on, on 127.0.0.1. */
  readonly port: number;
  /** The ports of the gateway pods by ordinal; consecutive. */
  readonly pods: readonly number[];
  readonly topology: Topology;
  readonly linkSecret: string;
  /** The application's public key, hex. */
  readonly publicKey: string;
  /** A folder for the peer's files. */
  readonly folder: string;
  /** A folder for caches that survives a restart. */
  readonly cache: string;
}

export interface PeerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Peer {
  readonly id: string;
  /** The title in the tables. */
  readonly title: string;
  /** `ours`, a `peer` that does the same work, or a `floor` that does less. */
  readonly role: 'ours' | 'peer' | 'floor';
  /**
   * How the peer finds the owner, for checking that each response comes from it: only by the published md5 rule, as configured, or
   * not at all.
   */
  readonly routes: 'md5' | 'configured' | 'none';
  /** The pods behind the peer: `node` is the default; `nginx` is faster and shows a proxy at its best. */
  readonly upstream: 'node' | 'nginx';
  /** Whether to start and stop it once in advance, to fill its compile cache. */
  readonly startedBefore?: true;
  /** The reason why it cannot run on this machine, or null. */
  missing(): string | null;
  /** Writes the peer's files. @returns the command that starts it */
  prepare(context: PeerContext): PeerCommand;
}
