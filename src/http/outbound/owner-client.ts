import type { GatewayRequest } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import type { Duration, MonotonicTime } from '../../time.ts';
import type { HttpMetrics } from '../metrics/http-metrics.ts';
import type { Dispatcher, ResponseHandler } from './dispatcher.ts';
import type { ForwardedRequest } from './forwarded-request.ts';
import { podError } from './pod-error.ts';
import { ObeyStatements } from './pod-statements.ts';
import { anotherPod, Retry } from './retry.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Repeatable } from './retry-policy.ts';
import type { Upstream } from './upstream.ts';
import type { Upstreams } from './upstreams.ts';
import { type Fetched, fetchWhole } from './whole-response.ts';

export interface OwnerClientOptions {
  readonly upstreams: Upstreams;
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
  readonly #upstreams: Upstreams;
  readonly #dispatcher: Dispatcher;

  constructor({ upstreams, retries, retryBaseMs, metrics, log }: OwnerClientOptions) {
    this.#upstreams = upstreams;
    const toPod: Dispatcher = {
      dispatch(request, handler) {
        const upstream = upstreams.list[request.pod];
        if (upstream !== undefined) upstream.dispatch(request, handler);
        else handler.onError(podError(request.pod, 'LINK_UNAVAILABLE', 'not-sent', 'no topology has it any more'));
      },
    };
    this.#dispatcher = new Retry({
      pods: upstreams.list,
      budget: retries,
      baseMs: retryBaseMs,
      onRetry: (pod) => metrics.retried(pod),
      next: new ObeyStatements({ upstreams, metrics, log, next: toPod }),
    });
  }

  /** The pod that owns a guild, or pod 0 for null. @param guildId a valid guild id; null for a request without a guild */
  ownerOf(guildId: string | null): Upstream {
    return this.#upstreams.ownerOf(guildId);
  }

  /**
   * The pod for a request: the owner of a guild, or pod 0 for null. A request that any pod may handle also goes to pod 0 while it is
   * alive, because that pod has the bot's data without a guild.
   */
  podFor(guildId: string | null, anyPod: boolean): Upstream {
    const owner = this.ownerOf(guildId);
    return anyPod && !owner.live ? (anotherPod(this.#upstreams.list, owner.ordinal) ?? owner) : owner;
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
    return fetchWhole(this.#dispatcher, this.ownerOf(guildId).ordinal, request, options);
  }
}
