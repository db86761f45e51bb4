import type { DispatchError } from '../../errors.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import type { Topology } from '../../routing/topology.ts';
import {
  type AttemptHandler,
  type Dispatcher,
  PassThrough,
  type Redirect,
  type ResponseHandler,
} from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';
import { podError } from './pod-error.ts';
import type { Upstream } from './upstream.ts';

export interface FollowRedirectsOptions {
  /** By ordinal. */
  readonly pods: readonly Pick<Upstream, 'link'>[];
  readonly topology: Topology;
  readonly log: ThrottledLog;
  /** Sends a request to the pod that it names. */
  readonly next: Dispatcher<AttemptHandler>;
}

/**
 * Sends a request on to the pod that a 421 names, once: two pods that name each other would otherwise pass it on for ever. A second
 * redirect is the error TOPOLOGY_MISMATCH: nothing was done, and an operator has to act.
 */
export class FollowRedirects implements Dispatcher {
  readonly #options: FollowRedirectsOptions;

  constructor(options: FollowRedirectsOptions) {
    this.#options = options;
  }

  dispatch(request: ForwardedRequest, handler: ResponseHandler): void {
    this.#options.next.dispatch(request, new RedirectHandler(this.#options, request, handler));
  }
}

class RedirectHandler extends PassThrough implements AttemptHandler {
  readonly #options: FollowRedirectsOptions;
  readonly #request: ForwardedRequest;
  /** The pod that was asked first. */
  readonly #first: number;
  /** What it said. */
  #redirect: Redirect | null = null;

  constructor(options: FollowRedirectsOptions, request: ForwardedRequest, handler: ResponseHandler) {
    super(handler);
    this.#options = options;
    this.#request = request;
    this.#first = request.pod;
  }

  onRedirect(redirect: Redirect): void {
    if (this.#redirect !== null) {
      this.onError(this.#mismatch(this.#redirect));
      return;
    }
    this.#redirect = redirect;
    const { pods, log, next } = this.#options;
    const named = redirect.owner;
    const [ours, theirs] = this.#topologies(redirect.epoch);
    log.warn({ pod: this.#first, named, ours, theirs }, 'a pod says that it is not the owner of a guild');
    if (named === this.#first || pods[named] === undefined) {
      this.onError(this.#mismatch(redirect));
      return;
    }
    this.#request.pod = named;
    next.dispatch(this.#request, this);
  }

  override onError(error: DispatchError): void {
    // If the request is sent again, it starts at the owner again.
    this.#request.pod = this.#first;
    this.handler.onError(error);
  }

  #mismatch({ owner, epoch }: Redirect): DispatchError {
    const [ours, theirs] = this.#topologies(epoch);
    return podError(
      this.#first,
      'TOPOLOGY_MISMATCH',
      'not-sent',
      `it is not the owner of this guild (it names pod ${owner}, ${theirs}), but this pod computed that (${ours}): NUM_GATEWAY_PODS, ROUTING or DISCORD_SHARDS differ`,
    );
  }

  /** This pod's topology and the other one's, in words. */
  #topologies(epoch: number): [string, string] {
    const { topology, pods } = this.#options;
    return [`${topology.fingerprint} epoch ${topology.epoch}`, theirTopology(pods[this.#first]?.link ?? null, epoch)];
  }
}

function theirTopology(link: Upstream['link'], epoch: number): string {
  const known = link?.peer?.topology;
  if (known === undefined) return `epoch ${Number.isNaN(epoch) ? 'unknown' : epoch}`;
  const { strategy, shards, pods } = known;
  return `${strategy}/${shards === null ? '' : `${shards}/`}${pods} epoch ${Number.isNaN(epoch) ? known.epoch : epoch}`;
}
