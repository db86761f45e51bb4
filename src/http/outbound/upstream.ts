import type { LookupFunction } from 'node:net';
import { LinkClient, type LinkClientOptions, type LinkState } from '../../link/client.ts';
import type { GatewayRequest, GatewayResponse } from '../../link/message.ts';
import type { Topology } from '../../routing/topology.ts';
import { type Duration, inMs } from '../../time.ts';
import { type Breaker, BreakerGuard } from './breaker.ts';
import { Connect } from './connect.ts';
import type { Dispatcher, ResponseHandler } from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';
import { LinkTransport } from './link-transport.ts';
import { PlainTransport } from './plain-transport.ts';
import { Reachability } from './reachability.ts';
import { UpgradeTransport } from './upgrade-transport.ts';
import { fetchWhole } from './whole-response.ts';

export interface UpstreamOptions extends Omit<LinkClientOptions, 'secret' | 'onState' | 'topology'> {
  /** The newest topology that this pod knows. */
  readonly topology: () => Topology;
  /** Null: plain HTTP only. */
  readonly secret: string | null;
  readonly breaker: Breaker;
  readonly lookup: LookupFunction;
}

/** A gateway pod from an HTTP pod's view: its link, plain HTTP, its breaker and its reachability. */
export class Upstream implements Dispatcher {
  readonly ordinal: number;
  readonly url: string;
  readonly breaker: Breaker;
  readonly link: LinkClient | null;
  readonly #plain: PlainTransport;
  readonly #reachability: Reachability;
  /** Obeys the breaker. */
  readonly #guarded: Dispatcher;
  /** Does not. */
  readonly #direct: Dispatcher;

  constructor(options: UpstreamOptions) {
    const { secret, ordinal, url, breaker, lookup } = options;
    this.ordinal = ordinal;
    this.url = url;
    this.breaker = breaker;
    const onState = (state: LinkState): void => {
      // A pod that has just proved its ordinal is alive; no probe is needed.
      if (state === 'ready') breaker.succeeded();
      // The link dials on its own; the requests that wait for it do not report its failures.
      else if (state === 'waiting') breaker.failed();
      // The pod was away before, and a pod that is not ready gets no requests that would show whether it is back.
      else if (state === 'plain') void this.#reachability.probe();
    };
    this.link =
      secret === null
        ? null
        : new LinkClient({
            ...options,
            secret,
            onState,
            get topology() {
              return options.topology();
            },
          });
    this.#reachability = new Reachability({ url, timeoutMs: options.connectTimeoutMs, lookup });
    const onConnection = (made: boolean): void => this.#reachability.note(made);
    this.#plain = new PlainTransport({ ...options, onConnection });
    const transports = {
      link: this.link === null ? null : new LinkTransport(this.link),
      plain: this.#plain,
      upgrade: new UpgradeTransport(options),
    };
    const guard = (transport: Dispatcher): BreakerGuard => new BreakerGuard(breaker, transport);
    this.#direct = new Connect(this.link, transports);
    this.#guarded = new Connect(this.link, {
      link: transports.link === null ? null : guard(transports.link),
      plain: guard(transports.plain),
      upgrade: guard(transports.upgrade),
    });
  }

  /** The reason why the pod is unreachable, as a sentence; null if it is reachable. */
  get unreachable(): string | null {
    const where = `gateway pod ${this.ordinal} at ${this.url} is not reachable`;
    if (this.linked) return this.link?.state === 'ready' ? null : `${where} (${this.link?.state})`;
    if (this.#reachability.reachable === true) return null;
    return `${where} (${this.#reachability.reachable === null ? 'not tried yet' : 'connections are refused'})`;
  }

  /** Whether the pod is reachable and its breaker is closed. */
  get live(): boolean {
    return this.breaker.closed && this.unreachable === null;
  }

  /** Whether requests use the link: there is one, and the pod supports it. */
  get linked(): boolean {
    return this.link !== null && this.link.state !== 'plain';
  }

  /** Connects in advance, so that the first request need not wait. Rejects if the link fails. */
  async open(): Promise<void> {
    if (this.link === null || (await this.link.connect()) === 'plain') await this.#reachability.probe();
  }

  /** Makes one attempt, if the breaker lets it pass. */
  dispatch(request: ForwardedRequest, handler: ResponseHandler): void {
    this.#guarded.dispatch(request, handler);
  }

  /**
   * Sends one request to this pod, regardless of ownership and of its breaker. A statement of the pod is a response.
   * @throws DispatchError
   */
  async fetch(request: GatewayRequest, timeoutMs: Duration): Promise<GatewayResponse> {
    const limits = { deadlineAt: inMs(timeoutMs), repeatable: 'never' } as const;
    const { response } = await fetchWhole(this.#direct, this.ordinal, request, limits);
    return response;
  }

  async close(): Promise<void> {
    this.link?.close();
    this.#reachability.close();
    await this.#plain.close();
  }
}
