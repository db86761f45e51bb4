import type { GatewayConfig } from '../../config/load.ts';
import { LinkClient } from '../../link/client.ts';
import type { GatewayRequest, GatewayResponse } from '../../link/message.ts';
import type { Logger } from '../../observability/log.ts';
import { gatewayUrl } from '../../routing/gateway-url.ts';
import type { Topology } from '../../routing/topology.ts';
import type { MonotonicTime } from '../../time.ts';
import type { InteractionWebhook } from '../dispatch/interaction-webhook.ts';
import type { Faults } from '../faults.ts';
import type { GatewayMetrics } from '../metrics.ts';
import type { GuildOwnership } from '../moving/guild-ownership.ts';
import type { HintStore, NewHint } from '../store/hints.ts';
import { type HintChannel, linkChannel, localChannel } from './channel.ts';
import { Deliverer } from './deliverer.ts';
import { ExpiryNotice } from './expiry-notice.ts';
import { HintIntake, type HintLimits } from './intake.ts';
import { type Selection, SetAside, type SetAsideSummary } from './set-aside.ts';
import type { OwnerSummary } from './summary.ts';

export interface HintsOptions {
  readonly config: Pick<
    GatewayConfig,
    | ('name' | 'databasePath' | 'gatewayUrlTemplate')
    | ('linkSecret' | 'linkHeartbeatMs' | 'linkMaxInFlight' | 'connectTimeoutMs')
    | ('hintRatePerSecond' | 'hintMaxCount' | 'hintMaxBytes' | 'hintMinFreeBytes')
  >;
  readonly ordinal: number;
  /** This pod's own, for the handshake. */
  readonly topology: Topology;
  readonly ownership: GuildOwnership;
  readonly store: HintStore;
  readonly webhook: InteractionWebhook;
  /** Serves a request for this pod's own guilds. A pod may store requests that it was too slow for. */
  readonly serve: (request: GatewayRequest, deadlineAt: MonotonicTime) => Promise<GatewayResponse>;
  readonly metrics: GatewayMetrics;
  readonly faults: Faults;
  readonly log: Logger;
}

/** The requests that this pod stores for owners that are away. */
export interface HintsSummary {
  readonly count: number;
  /** The total size of the bodies. */
  readonly bytes: number;
  readonly owners: readonly OwnerSummary[];
  readonly setAside: {
    readonly count: number;
    readonly bytes: number;
    /** The first 1,000. */
    readonly entries: readonly SetAsideSummary[];
  };
}

export interface Hints {
  /** See {@link HintIntake.put}. */
  put(hint: NewHint): Promise<GatewayResponse>;
  /** Waiting requests, by their owner. */
  owners(): OwnerSummary[];
  summary(): HintsSummary;
  /** Delivers requests that were set aside. See {@link SetAside.takeBack}. @returns how many */
  deliverAgain(selection: Selection, force: boolean): number;
  /** See {@link SetAside.drop}. */
  drop(selection: Selection): Promise<number>;
  /** Starts delivery, first of the hints that an earlier process has left. */
  start(): void;
  /** Sends nothing more and waits for deliveries in flight. The rest stays on disk. */
  drain(): Promise<void>;
  close(): void;
}

/** The stand-in side of a gateway pod: stores hints and delivers them to their owners. */
export function createHints(options: HintsOptions): Hints {
  const { config, ownership, store, webhook, metrics, faults, log } = options;
  const limits: HintLimits = {
    maxCount: config.hintMaxCount,
    maxBytes: config.hintMaxBytes,
    minFreeBytes: config.hintMinFreeBytes,
  };
  const setAside = new SetAside({ store, limits, metrics, log });
  const deliverer = new Deliverer({
    store,
    setAside,
    ownership,
    channelTo: (owner) => channelTo(options, owner),
    notice: new ExpiryNotice({ webhook, log }),
    ratePerSecond: config.hintRatePerSecond,
    metrics,
    faults,
    log,
  });
  const intake = new HintIntake({
    store,
    limits,
    databasePath: config.databasePath,
    onStored: (entry) => deliverer.add(entry),
    faults,
    log,
  });
  return {
    put: (hint) => intake.put(hint),
    owners: () => deliverer.summary(),
    summary: () => ({
      count: store.count,
      bytes: store.bytes,
      owners: deliverer.summary(),
      setAside: { ...store.setAsideTotals, entries: setAside.list() },
    }),
    deliverAgain(selection, force) {
      const entries = setAside.takeBack(selection, force);
      for (const entry of entries) deliverer.add(entry);
      return entries.length;
    },
    drop: (selection) => setAside.drop(selection),
    start: () => deliverer.start(),
    drain: () => deliverer.drain(),
    close: () => deliverer.close(),
  };
}

function channelTo({ config, ordinal, topology, serve, log }: HintsOptions, owner: number): HintChannel {
  if (owner === ordinal) return localChannel(serve);
  const link = new LinkClient({
    url: gatewayUrl(config.gatewayUrlTemplate, owner),
    ordinal: owner,
    secret: config.linkSecret,
    topology,
    name: config.name,
    heartbeatMs: config.linkHeartbeatMs,
    connectTimeoutMs: config.connectTimeoutMs,
    maxInFlight: config.linkMaxInFlight,
    log,
  });
  return linkChannel(link);
}
