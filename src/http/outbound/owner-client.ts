import type { GatewayRequest } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import type { Topology } from '../../routing/topology.ts';
import type { Duration, MonotonicTime } from '../../time.ts';
import type { HttpMetrics } from '../metrics/http-metrics.ts';
import type { Dispatcher, ResponseHandler } from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';
import { ObeyStatements } from './pod-statements.ts';
import { anotherPod, Retry } from './retry.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Repeatable } from './retry-policy.ts';
import type { Upstream } from './upstream.ts';
import { type Fetched, fetchWhole } from './whole-response.ts';

export interface OwnerClientOptions {
  /** By ordinal. */
  readonly upstreams: readonly Upstream[];
  readonly topology: Topology;
  readonly retries: RetryBudget;
  readonly retryBaseMs: Duration;
  readonly metrics: HttpMetrics;
  readonly log: ThrottledLog;
}

/**
 * Sends requests to the owners of their guilds: over the link if the pod supports it, else over plain HTTP. Retries if that is safe and
 * follows redirects. Every request to an owner passes through this class.
 */
export class OwnerClient implements Dispatcher {
  readonly #upstreams: readonly Upstream[];
  readonly #topology: Topology;
  readonly #dispatcher: Dispatcher;

  constructor({ upstreams, topology, retries, retryBaseMs, metrics, log }: OwnerClientOptions) {
    this.#upstreams = upstreams;
    this.#topology = topology;
    const toPod: Dispatcher = {
      dispatch: (request, handler) => (upstreams[request.pod] as Upstream).dispatch(request, handler),
    };
    this.#dispatcher = new Retry({
      pods: upstreams,
      budget: retries,
      baseMs: retryBaseMs,
      onRetry: (pod) => metrics.retried(pod),
      next: new ObeyStatements({ pods: upstreams, topology, log, next: toPod }),
    });
  }

  /** The pod that owns a guild, or pod 0 for null. @param guildId a valid guild id; null for a request without a guild */
  ownerOf(guildId: string | null): Upstream {
    return this.#upstreams[this.#topology.ownerOf(guildId)] as Upstream;
  }

  /**
   * The pod for a request: the owner of a guild, or pod 0 for null. A request that any pod may handle also goes to pod 0 while it is
   * alive, because that pod has the bot's data without a guild.
   */
  podFor(guildId: string | null, anyPod: boolean): Upstream {
    const owner = this.ownerOf(guildId);
    return anyPod && !owner.live ? (anotherPod(this.#upstreams, owner.ordinal) ?? owner) : owner;
  }

  /** Sends a request to the pod that it names. */
  dispatch(request: ForwardedRequest, handler: ResponseHandler): void {
    this.#dispatcher.dispatch(request, handler);
  }

  /**
   * Sends a request to the owner of a guild, for the whole response.
   * @throws DispatchError
   */
  fetch(
    guildId: string | null,
    request: GatewayRequest,
    options: { readonly deadlineAt: MonotonicTime; readonly repeatable: Repeatable },
  ): Promise<Fetched> {
    return fetchWhole(this.#dispatcher, this.#topology.ownerOf(guildId), request, options);
  }
}
