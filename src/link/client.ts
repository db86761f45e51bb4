import type { Logger } from 'pino';
import { DispatchError, type ErrorCode } from '../errors.ts';
import type { Topology } from '../routing/topology.ts';
import { type Duration, inMs, type MonotonicTime } from '../time.ts';
import { fullJitter } from './backoff.ts';
import { ClientSession } from './client-session.ts';
import { type Dialled, dial } from './dial.ts';
import type { ServerHello } from './handshake.ts';
import type { LinkHandler } from './in-flight.ts';
import type { GatewayRequest, GatewayResponse } from './message.ts';
import { Redial } from './redial.ts';

export type { ServerHello } from './handshake.ts';
export type { LinkHandler } from './in-flight.ts';

/**
 * - `idle`: never dialled
 * - `connecting`: dialling, or waiting for the peer's HELLO
 * - `ready`: requests can be sent
 * - `plain`: the peer is an HTTP server without the link; dialled again once a minute
 * - `waiting`: the last dial failed or the connection ended; dialled again within a second
 * - `closed`: permanently
 */
export type LinkState = 'idle' | 'connecting' | 'ready' | 'plain' | 'waiting' | 'closed';

export interface LinkClientOptions {
  /** The pod's URL, such as `http://gateway-1.gateway-internal:3000`. Every dial resolves its name again. */
  readonly url: string;
  readonly ordinal: number;
  readonly secret: string;
  /** Read for each handshake: the newest topology may change. */
  readonly topology: Topology;
  /** This pod's name, for the peer's log. */
  readonly name: string;
  readonly heartbeatMs: Duration;
  readonly connectTimeoutMs: Duration;
  /** The maximum number of requests in flight. */
  readonly maxInFlight: number;
  readonly log: Logger;
  /** Called after each change. */
  readonly onState?: (state: LinkState) => void;
  /** Called after each handshake, before the link is `ready`. Without it, a peer with another topology is logged. */
  readonly onPeer?: (peer: ServerHello) => void;
}

/** The states with their data. */
type State =
  | { readonly name: 'idle' | 'closed' }
  | { readonly name: 'connecting'; readonly dial: Promise<'ready' | 'plain'> }
  | { readonly name: 'ready'; readonly session: ClientSession }
  | { readonly name: 'plain' | 'waiting'; readonly redial: Redial };

/** The allowed transitions. A `plain` peer stays `plain` while it is dialled again. */
const TRANSITIONS: Readonly<Record<LinkState, readonly LinkState[]>> = Object.freeze({
  idle: ['connecting', 'closed'],
  connecting: ['ready', 'plain', 'waiting', 'closed'],
  ready: ['waiting', 'closed'],
  plain: ['plain', 'ready', 'waiting', 'closed'],
  waiting: ['connecting', 'closed'],
  closed: [],
});

const REDIAL_BASE_MS = 50;
const REDIAL_CAP_MS = 500;
const PLAIN_RECHECK_MS = 60_000;

/**
 * The client of the link to one gateway pod: many requests over one connection. It dials on first use and then stays connected until it
 * is closed. It never retries a request; the caller decides by the error's code and `outcome`.
 */
export class LinkClient {
  readonly ordinal: number;
  readonly #options: LinkClientOptions;
  #state: State = { name: 'idle' };
  /** All open sessions: the ready one, one before its HELLO, and draining ones, which still complete requests. */
  readonly #sessions = new Set<ClientSession>();
  /** Shared by the sessions, so that an id is unique in this link. */
  readonly #ids = { last: 0 };
  #peer: ServerHello | null = null;
  #failedDials = 0;

  constructor(options: LinkClientOptions) {
    this.#options = options;
    this.ordinal = options.ordinal;
  }

  get state(): LinkState {
    return this.#state.name;
  }

  /** The peer of the last handshake, or null. */
  get peer(): ServerHello | null {
    return this.#peer;
  }

  get inFlight(): number {
    let sum = 0;
    for (const session of this.#sessions) sum += session.inFlight;
    return sum;
  }

  /**
   * Resolves when requests can be sent (`ready`), or when the peer supports plain HTTP only. Concurrent calls share one dial. During the
   * backoff after a failed dial they wait for the next one, so an absent pod is not dialled once per request.
   * @throws DispatchError LINK_UNAVAILABLE, LINK_REFUSED
   */
  connect(): Promise<'ready' | 'plain'> {
    const state = this.#state;
    switch (state.name) {
      case 'ready':
      case 'plain':
        return Promise.resolve(state.name);
      case 'closed':
        return Promise.reject(this.#closedError());
      case 'connecting':
        return state.dial;
      case 'waiting':
        return state.redial.result;
      case 'idle':
        return this.#dial();
    }
  }

  /**
   * Sends a request, if the link is `ready`.
   * @param deadlineAt the deadline of the response
   * @param handler gets one outcome; before this method returns only if nothing was sent
   * @returns the request's id, for {@link cancel}
   */
  send(request: GatewayRequest, deadlineAt: MonotonicTime, handler: LinkHandler): number {
    if (this.#state.name === 'ready') return this.#state.session.send(request, deadlineAt, handler);
    handler.onError(this.#error('LINK_UNAVAILABLE', `the link is ${this.#state.name}`, 'not-sent'));
    return 0;
  }

  /** The client disconnected. The handler gets CANCELLED and the pod gets a CANCEL frame. */
  cancel(id: number): void {
    for (const session of this.#sessions) if (session.cancel(id)) return;
  }

  /** {@link connect} and {@link send} as one promise, for callers that are not performance-critical. */
  async request(request: GatewayRequest, timeoutMs: Duration, signal?: AbortSignal): Promise<GatewayResponse> {
    const deadlineAt = inMs(timeoutMs);
    if ((await this.#within(this.connect(), timeoutMs)) === 'plain') {
      throw this.#error('LINK_UNAVAILABLE', 'the pod does not know the link', 'not-sent');
    }
    if (signal?.aborted) throw this.#error('CANCELLED', 'the client disconnected', 'not-sent');
    return new Promise((resolve, reject) => {
      const abort = (): void => this.cancel(id);
      const settled = (): void => signal?.removeEventListener('abort', abort);
      const id = this.send(request, deadlineAt, {
        onResponse: (response) => {
          settled();
          resolve(response);
        },
        onError: (error) => {
          settled();
          reject(error);
        },
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Ends the connection. Requests in flight end with LINK_LOST. */
  close(): void {
    const state = this.#state;
    this.#enter({ name: 'closed' });
    if (state.name === 'waiting' || state.name === 'plain') state.redial.cancel(this.#closedError());
    for (const session of this.#sessions) session.destroy();
  }

  #dial(): Promise<'ready' | 'plain'> {
    const dial = this.#attempt();
    // A `plain` peer stays `plain` for callers while it is dialled again.
    if (this.#state.name !== 'plain') this.#enter({ name: 'connecting', dial });
    return dial;
  }

  async #attempt(): Promise<'ready' | 'plain'> {
    try {
      const dialled = await dial(this.#options);
      if (this.state === 'closed') {
        dialled?.socket.destroy();
        throw this.#closedError();
      }
      if (dialled === null) {
        this.#enter({ name: 'plain', redial: new Redial(PLAIN_RECHECK_MS, () => this.#dial()) });
        return 'plain';
      }
      await this.#startSession(dialled);
      this.#failedDials = 0;
      return 'ready';
    } catch (error) {
      if (this.#failedDials === 0 && this.state !== 'closed') {
        this.#options.log.warn({ err: error, pod: this.ordinal }, 'link: cannot connect');
      }
      this.#wait();
      throw error;
    }
  }

  #startSession(dialled: Dialled): Promise<void> {
    const { name, topology, connectTimeoutMs, heartbeatMs, maxInFlight, ordinal } = this.#options;
    return new Promise((resolve, reject) => {
      const session = new ClientSession({
        dialled,
        hello: { proof: dialled.clientProof, name, topology: topology.toRecord() },
        ordinal,
        heartbeatMs,
        helloTimeoutMs: connectTimeoutMs,
        maxInFlight,
        ids: this.#ids,
        onReady: (peer) => {
          this.#peer = peer;
          if (this.#options.onPeer === undefined) this.#noteTopology(peer);
          else this.#options.onPeer(peer);
          this.#enter({ name: 'ready', session });
          resolve();
        },
        onGoaway: () => {
          if (this.#isReady(session)) this.#wait();
        },
        onClose: (error) => {
          this.#sessions.delete(session);
          const why = error?.message ?? 'it closed the connection before its HELLO';
          reject(this.#error('LINK_UNAVAILABLE', why, 'not-sent', error));
          if (!this.#isReady(session)) return;
          this.#options.log.warn({ err: error, pod: ordinal }, 'link: connection lost');
          this.#wait();
        },
      });
      this.#sessions.add(session);
    });
  }

  #isReady(session: ClientSession): boolean {
    return this.#state.name === 'ready' && this.#state.session === session;
  }

  #noteTopology(peer: ServerHello): void {
    const { topology, log } = this.#options;
    const ours = JSON.stringify(topology.toRecord());
    const theirs = JSON.stringify(peer.topology);
    if (ours === theirs) log.debug({ pod: this.ordinal }, 'link: ready');
    else log.warn({ pod: this.ordinal, ours, theirs }, 'link: the pod has another topology; it decides what it owns');
  }

  /** Dials again after the backoff, unless this link is closed. */
  #wait(): void {
    if (this.state === 'closed') return;
    const pauseMs = fullJitter(this.#failedDials++, REDIAL_BASE_MS, REDIAL_CAP_MS);
    this.#enter({ name: 'waiting', redial: new Redial(pauseMs, () => this.#dial()) });
  }

  /** Bounds the wait for the connection by the timeout of the response. */
  #within<T>(promise: Promise<T>, timeoutMs: Duration): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(this.#error('LINK_UNAVAILABLE', `no connection within ${Math.round(timeoutMs)} ms`, 'not-sent'));
      }, timeoutMs);
      promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  /** The only place where the state changes. */
  #enter(next: State): void {
    const { name } = this.#state;
    if (!TRANSITIONS[name].includes(next.name)) return;
    this.#state = next;
    if (next.name !== name) this.#options.onState?.(next.name);
  }

  #closedError(): DispatchError {
    return this.#error('LINK_UNAVAILABLE', 'this link is closed', 'not-sent');
  }

  #error(code: ErrorCode, why: string, outcome: DispatchError['outcome'], cause?: unknown): DispatchError {
    const { ordinal } = this;
    return new DispatchError(code, outcome, `gateway pod ${ordinal}: ${why}`, { cause, facts: { ordinal } });
  }
}
