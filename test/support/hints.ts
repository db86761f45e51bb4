import { Registry } from 'prom-client';
import { DispatchError } from '../../src/errors.ts';
import { InteractionWebhook } from '../../src/gateway/dispatch/interaction-webhook.ts';
import { empty } from '../../src/gateway/dispatch/responses.ts';
import type { Faults } from '../../src/gateway/faults.ts';
import type { HintChannel } from '../../src/gateway/hints/channel.ts';
import { Deliverer } from '../../src/gateway/hints/deliverer.ts';
import { ExpiryNotice } from '../../src/gateway/hints/expiry-notice.ts';
import { HintIntake, type HintLimits } from '../../src/gateway/hints/intake.ts';
import { SetAside } from '../../src/gateway/hints/set-aside.ts';
import { createGatewayMetrics } from '../../src/gateway/metrics.ts';
import type { NewHint } from '../../src/gateway/store/hints.ts';
import { type GatewayRequest, type GatewayResponse, headerValue } from '../../src/link/message.ts';
import { createTopology } from '../../src/routing/topology.ts';
import { asMonotonicTime, asWallTime, type Duration, type MonotonicClock, type WallClock } from '../../src/time.ts';
import { ownershipOf } from './ownership.ts';
import { noFaults, openTestStore, silent, temporaryFolder } from './store.ts';
import { startWebhookReceiver } from './webhook-receiver.ts';

/** Owners 0, 1 and 2 under md5/3. */
export const GUILDS = ['41771983423143937', '102860784329052160', '81384788765712384'] as const;
/** Of owner 1, like GUILDS[1]. */
export const SIBLING = '613425648685547541';
export const AMPLE: HintLimits = { maxCount: 1_000, maxBytes: 1_000_000, minFreeBytes: 0 };

/** Manual clocks. */
export class ManualClocks {
  #ms = 0;
  readonly #start = Date.now();
  readonly now: WallClock = () => asWallTime(this.#start + this.#ms);
  readonly monotonic: MonotonicClock = () => asMonotonicTime(this.#ms);

  advance(ms: Duration): void {
    this.#ms += ms;
  }
}

/** An owner that is away at first and records its requests. */
export class Owner implements HintChannel {
  away = true;
  readonly requests: GatewayRequest[] = [];
  answer: (request: GatewayRequest) => GatewayResponse | Promise<GatewayResponse> = () => empty(200);

  async connect(): Promise<void> {
    if (this.away) throw new DispatchError('LINK_UNAVAILABLE', 'not-sent', 'away');
  }

  async send(request: GatewayRequest): Promise<GatewayResponse> {
    await this.connect();
    this.requests.push(request);
    return this.answer(request);
  }

  close(): void {}

  get identities(): (string | undefined)[] {
    return this.requests.map(({ headers }) => headerValue(headers, 'guildway-hint'));
  }
}

export interface StandInOptions {
  readonly path?: string;
  /** Default the clocks of a pod. */
  readonly clocks?: { readonly now?: WallClock; readonly monotonic?: MonotonicClock };
  readonly limits?: HintLimits;
  readonly rate?: number;
  readonly faults?: Faults;
}

/** The stand-in part of a gateway pod, with three owners that the test controls. */
export async function startStandIn(options: StandInOptions = {}) {
  const folder = temporaryFolder();
  const path = options.path ?? folder.file('pod');
  // Without clocks from the test, each part uses its own.
  const { clocks = {} } = options;
  const { now } = clocks;
  const clock = now === undefined ? {} : { now };
  const limits = options.limits ?? AMPLE;
  const faults = options.faults ?? noFaults;
  const store = openTestStore(path, { ...clock, faults });
  const discord = await startWebhookReceiver();
  const webhook = new InteractionWebhook(discord.url);
  const owners: [Owner, Owner, Owner] = [new Owner(), new Owner(), new Owner()];
  const registry = new Registry();
  const metrics = createGatewayMetrics(registry);
  const setAside = new SetAside({ store: store.hints, limits, metrics, log: silent, ...clock });
  const deliverer = new Deliverer({
    store: store.hints,
    setAside,
    // It is the stand-in, and owns none of the guilds.
    ownership: ownershipOf(3, createTopology({ strategy: 'md5', pods: 3 })),
    channelTo: (owner) => owners[owner] as Owner,
    notice: new ExpiryNotice({ webhook, log: silent, ...clock }),
    ratePerSecond: options.rate ?? 10_000,
    ...{ metrics, faults, log: silent, ...clocks },
  });
  const intake = new HintIntake({
    store: store.hints,
    limits,
    databasePath: path,
    onStored: (entry) => deliverer.add(entry),
    faults,
    log: silent,
  });
  return {
    path,
    store,
    discord,
    setAside,
    deliverer,
    intake,
    owners,
    async metric(name: string) {
      const { values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] };
      return values.reduce((sum, { value }) => sum + value, 0);
    },
    async [Symbol.asyncDispose]() {
      deliverer.close();
      webhook.close();
      await discord[Symbol.asyncDispose]();
      store.close();
      folder[Symbol.dispose]();
    },
  };
}

let counter = 0;

/** A new hint for owner 1. */
export function hint(overrides: Partial<NewHint> = {}): NewHint {
  counter++;
  const body = overrides.body ?? Buffer.from(`{"n":${counter}}`);
  return {
    identity: `interaction:${counter}`,
    guildId: GUILDS[1],
    target: '/webhooks/discord',
    headers: ['content-type', 'application/json', 'guildway-request-id', 'r-1'],
    bodyHash: String(counter),
    deferred: 0,
    uncertain: false,
    lifeMs: 60_000,
    ...overrides,
    body,
  };
}

/** A new Stripe event for owner 1. */
export const stripeHint = (overrides: Partial<NewHint> = {}): NewHint =>
  hint({
    identity: `stripe:evt_${counter}`,
    target: '/webhooks/stripe',
    bodyHash: null,
    lifeMs: 3 * 86_400_000,
    ...overrides,
  });
