import type { Topology } from '../../src/public-routing.ts';

/** What a peer needs to know to start. */
export interface PeerContext {
  /** Where it must listen, on 127.0.0.1. */
  readonly port: number;
  /** The ports of the gateway pods by ordinal; consecutive. */
  readonly pods: readonly number[];
  readonly topology: Topology;
  readonly linkSecret: string;
  /** The application's public key, hex. */
  readonly publicKey: string;
  /** A folder of its own for files that it needs. */
  readonly folder: string;
  /** A folder that outlives a start, for what speeds up the next. */
  readonly cache: string;
}

export interface PeerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Peer {
  readonly id: string;
  /** As it stands in the tables. */
  readonly title: string;
  /** `ours`, something else that does the same work, or a floor: something that does less. */
  readonly role: 'ours' | 'peer' | 'floor';
  /**
   * How it finds the owner, so that each answer can be checked to come from it: by the published md5 rule and no other, as it
   * is configured, or not at all.
   */
  readonly routes: 'md5' | 'configured' | 'none';
  /** The pods it stands in front of: `node` are those that everybody has; `nginx` answer faster and show a proxy at its best. */
  readonly upstream: 'node' | 'nginx';
  /** It is started and stopped once before, so that it finds its compile cache. */
  readonly startedBefore?: true;
  /** Why it cannot run here, or null. */
  missing(): string | null;
  /** Writes the files it needs and says how it is started. */
  prepare(context: PeerContext): PeerCommand;
}
