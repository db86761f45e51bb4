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
import type { HintStore, NewHint } from '../store/hints.ts';
import { type HintChannel, linkChannel, localChannel } from './channel.ts';
import { Deliverer, type LaneSummary } from './deliverer.ts';
import { ExpiryNotice } from './expiry-notice.ts';
import { HintIntake } from './intake.ts';

export interface HintsOptions {
  readonly config: Pick<
    GatewayConfig,
    | ('name' | 'databasePath' | 'gatewayUrlTemplate')
    | ('linkSecret' | 'linkHeartbeatMs' | 'linkMaxInFlight' | 'connectTimeoutMs')
    | ('hintRatePerSecond' | 'hintMaxCount' | 'hintMaxBytes' | 'hintMinFreeBytes')
  >;
  readonly ordinal: number;
  readonly topology: Topology;
  readonly store: HintStore;
  readonly webhook: InteractionWebhook;
  /** Serves a request of this pod's own guilds: it may keep what it was too slow for itself. */
  readonly serve: (request: GatewayRequest, deadlineAt: MonotonicTime) => Promise<GatewayResponse>;
  readonly metrics: GatewayMetrics;
  readonly faults: Faults;
  readonly log: Logger;
}

/** What this pod keeps for owners that are away. */
export interface HintsSummary {
  readonly count: number;
  /** Of the bodies together. */
  readonly bytes: number;
  readonly owners: readonly LaneSummary[];
}

export interface Hints {
  /** See {@link HintIntake.put}. */
  put(hint: NewHint): Promise<GatewayResponse>;
  summary(): HintsSummary;
  /** Begins to deliver, first of all what an earlier process has left. */
  start(): void;
  /** Sends nothing more and waits for what is in flight; the rest stays on disk. */
  drain(): Promise<void>;
  close(): void;
}

/** The stand-in's part of a gateway pod: takes hints, and brings them to their owners. */
export function createHints(options: HintsOptions): Hints {
  const { config, topology, store, webhook, metrics, faults, log } = options;
  const deliverer = new Deliverer({
    store,
    topology,
    channelTo: (owner) => channelTo(options, owner),
    notice: new ExpiryNotice({ webhook, log }),
    ratePerSecond: config.hintRatePerSecond,
    metrics,
    faults,
    log,
  });
  const intake = new HintIntake({
    store,
    limits: { maxCount: config.hintMaxCount, maxBytes: config.hintMaxBytes, minFreeBytes: config.hintMinFreeBytes },
    databasePath: config.databasePath,
    onStored: (entry) => deliverer.add(entry),
    faults,
    log,
  });
  return {
    put: (hint) => intake.put(hint),
    summary: () => ({ count: store.count, bytes: store.bytes, owners: deliverer.summary() }),
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
