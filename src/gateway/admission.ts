import { setTimeout as delay } from 'node:timers/promises';
import type { Bot } from '../bot/define-bot.ts';
import { manifestOf } from '../bot/manifest.ts';
import type { GatewayConfig } from '../config/load.ts';
import { GuildwayError } from '../errors.ts';
import type { Logger } from '../observability/log.ts';
import { gatewayUrl } from '../routing/gateway-url.ts';
import { asVariables, type Topology } from '../routing/topology.ts';
import type { Service } from '../service.ts';
import type { Reply } from './dispatch/reply.ts';
import { Agreement } from './ownership/agreement.ts';
import { askPeer } from './ownership/ask-peer.ts';
import type { Decision } from './ownership/decision.ts';
import { heldRoute, heldUpgrades } from './serve/held.ts';
import type { Incoming } from './serve/incoming.ts';
import { type GatewayServer, startGatewayServer } from './serve/server.ts';
import type { OpenedStore, Store } from './store/store.ts';
import type { Upgrades } from './websocket/upgrades.ts';

/** What a pod has once it may serve its guilds. */
export interface Admitted {
  readonly store: Store;
  readonly server: GatewayServer;
  readonly agreement: Agreement;
}

/** A pod that serves its guilds. Draining or closing it includes its server and its store. */
export interface Serving extends Omit<Service, 'port'> {
  readonly route: (incoming: Incoming) => Promise<Reply>;
  readonly upgrades: Upgrades;
}

export interface AdmissionOptions {
  readonly config: GatewayConfig;
  readonly bot: Bot;
  readonly topology: Topology;
  readonly ordinal: number;
  /** Closed with the service, or if the start fails. */
  readonly opened: OpenedStore;
  /** Starts everything else that a serving pod needs. */
  readonly serve: (admitted: Admitted) => Promise<Serving>;
  readonly log: Logger;
}

/**
 * Listens at once. The pod serves its guilds as soon as no other pod can write to them: see {@link decide}. Until then it is
 * not ready and answers with the reason. Resolves when the other pods have been asked once.
 * @throws the errors of `serve` and of listening; later errors of `serve` end the process
 */
export async function admit(options: AdmissionOptions): Promise<Service> {
  const pod = new Pod(options);
  try {
    await pod.start();
  } catch (error) {
    await pod.close();
    throw error;
  }
  return pod;
}

class Pod implements Service {
  readonly #options: AdmissionOptions;
  readonly #agreement: Agreement;
  #server: GatewayServer | null = null;
  #serving: Serving | null = null;
  /** Undecided, or about to serve. It looks like a restart, so clients may retry. */
  #starting: boolean;
  /** Why the pod may not serve. */
  #reasons: readonly string[];
  /** Settles when background work has ended. */
  #background: Promise<void> = Promise.resolve();

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const { config, topology, opened, ordinal, log } = options;
    const { placement, misplacement } = opened;
    this.#starting = misplacement === null;
    this.#reasons = [misplacement?.message ?? 'asking the other gateway pods for their topology'];
    // This pod's reasons include every failure. The link's own log lines would repeat it every second.
    const quiet = log.child({}, { level: 'silent' });
    this.#agreement = new Agreement({
      own: { ordinal, given: topology.toRecord(), placement },
      ask: (peer, own) =>
        askPeer(
          {
            url: gatewayUrl(config.gatewayUrlTemplate, peer),
            ordinal: peer,
            secret: config.linkSecret,
            topology,
            name: config.name,
            heartbeatMs: config.linkHeartbeatMs,
            connectTimeoutMs: config.connectTimeoutMs,
            maxInFlight: 1,
            log: quiet,
          },
          own,
        ),
      claim: () => opened.claim(),
      confirmed: config.topologyConfirmed === topology.fingerprint,
      pause: (ms, signal) => delay(ms, undefined, { signal, ref: false }).catch(() => {}),
    });
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  get adminActions(): Service['adminActions'] {
    return this.#serving?.adminActions ?? {};
  }

  get adminRoutes(): Service['adminRoutes'] {
    return this.#serving?.adminRoutes ?? {};
  }

  readiness(): ReturnType<Service['readiness']> {
    return this.#serving?.readiness() ?? { ready: false, reasons: [...this.#reasons] };
  }

  async start(): Promise<void> {
    const { config, bot, topology, ordinal, opened, log } = this.#options;
    const agreement = this.#agreement;
    const state = { starting: () => this.#starting, reasons: () => this.#reasons };
    const held = { ordinal, name: config.name, agreement, ...state, log };
    const [whileHeld, upgradesWhileHeld] = [heldRoute(held), heldUpgrades(held)];
    const upgrades = (): Upgrades => this.#serving?.upgrades ?? upgradesWhileHeld;
    this.#server = await startGatewayServer({
      ...{ config, ordinal, manifest: manifestOf(bot), log },
      topology: () => agreement.own.placement?.chain.at(-1) ?? topology.toRecord(),
      route: (incoming) => (this.#serving?.route ?? whileHeld)(incoming),
      upgrades: {
        take: (...upgrade) => upgrades().take(...upgrade),
        drain: () => upgrades().drain(),
        close: () => upgrades().close(),
      },
    });
    if (opened.misplacement !== null) {
      log.error({ ...opened.misplacement.facts }, opened.misplacement.message);
      // This pod's own case is decided. Tell the others now, not when they ask next.
      this.#background = agreement.round().then(() => {});
      return;
    }
    this.#warnOfConfirmation();
    const decision = await agreement.round();
    if (decision.kind !== 'wait') {
      await this.#serve(this.#server, decision);
      return;
    }
    this.#hold(decision.reasons);
    this.#background = this.#serveWhenAgreed(this.#server).catch((error: unknown) => {
      // As during the start: the process must not live on without serving.
      setImmediate(() => {
        throw error;
      });
    });
  }

  async drain(): Promise<void> {
    this.#agreement.stop();
    await this.#background;
    await (this.#serving ?? this.#server)?.drain();
  }

  async close(): Promise<void> {
    this.#agreement.stop();
    await this.#background;
    await (this.#serving ?? this.#server)?.close();
    this.#options.opened.close();
  }

  async #serveWhenAgreed(server: GatewayServer): Promise<void> {
    const decision = await this.#agreement.reached((reasons) => this.#hold(reasons));
    if (decision !== null) await this.#serve(server, decision);
  }

  async #serve(server: GatewayServer, decision: Decision): Promise<void> {
    const { opened, serve, log } = this.#options;
    const agreement = this.#agreement;
    this.#starting = true;
    const store = opened.take(decision);
    agreement.placed(() => store.movingState.chain);
    this.#serving = await serve({ store, server, agreement });
    // Pods that were away may contradict: their rows may have been placed under another topology of this epoch.
    void agreement
      .contradicted(() => store.movingState.recovering.size > 0)
      .then((reasons) => {
        if (reasons === null) return;
        const message = reasons.join('; ');
        log.error({ reasons }, `stopped serving: ${message}`);
        store.connection.retire(new GuildwayError('TOPOLOGY_MISMATCH', message));
      });
  }

  #hold(reasons: readonly string[]): void {
    this.#starting = false;
    if (reasons.join() === this.#reasons.join()) return;
    this.#reasons = reasons;
    this.#options.log.warn({ reasons }, 'not serving: see the reasons');
  }

  #warnOfConfirmation(): void {
    const { config, topology, log } = this.#options;
    const { topologyConfirmed } = config;
    if (topologyConfirmed === null || topologyConfirmed === topology.fingerprint) return;
    log.warn(
      { topologyConfirmed, topology: asVariables(topology.toRecord()) },
      `TOPOLOGY_CONFIRMED=${topologyConfirmed} has no effect under ${topology.fingerprint}: remove it`,
    );
  }
}
