import { GuildwayError } from '../../errors.ts';
import { fullJitter } from '../../link/backoff.ts';
import { type GatewayRequest, type GatewayResponse, HEADER, headerValue } from '../../link/message.ts';
import type { Logger } from '../../observability/log.ts';
import type { Topology } from '../../routing/topology.ts';
import type { HttpMetrics } from '../metrics.ts';
import type { RetryBudget } from '../policy/retry-budget.ts';
import type { Upstream } from './upstream.ts';

export interface ExchangeOptions {
  readonly upstreams: readonly Upstream[];
  readonly topology: Topology;
  readonly retries: RetryBudget;
  readonly retryBaseMs: number;
  readonly metrics: HttpMetrics;
  readonly log: Logger;
  readonly now?: () => number;
  readonly random?: () => number;
}

/** The answer of an owner, and who gave it. */
export interface Answer {
  readonly response: GatewayResponse;
  readonly pod: number;
}

const RETRY_CAP_MS = 500;

/** Sends whole requests to owners, again where that is safe, and follows a redirect once. */
export class Exchange {
  readonly #options: ExchangeOptions;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  upstream(ordinal: number): Upstream {
    return this.#options.upstreams[ordinal] as Upstream;
  }

  ownerOf(guildId: string | null): Upstream {
    return this.upstream(this.#options.topology.ownerOf(guildId));
  }

  /**
   * Asks a pod until it answers or the deadline is too near.
   * @param deadlineAt on the clock of `performance.now()`
   * @param repeatable whether the request may be sent again after its outcome is unknown
   * @throws GuildwayError, the last failure; `facts.sent` says whether the request may have been applied
   */
  async ask(owner: Upstream, request: GatewayRequest, deadlineAt: number, repeatable: boolean): Promise<Answer> {
    const { retries, retryBaseMs, metrics } = this.#options;
    const now = this.#options.now ?? performance.now.bind(performance);
    retries.earn();
    // Once sent without an answer, the outcome stays unknown whatever later attempts say.
    let everSent = false;
    for (let attempt = 0; ; attempt++) {
      let failure: GuildwayError;
      try {
        return await this.#askOnce(owner, request, deadlineAt - now());
      } catch (error) {
        failure = error as GuildwayError;
        if (!(failure instanceof GuildwayError)) throw error;
      }
      everSent ||= failure.facts.sent === true;
      const waitMs = fullJitter(attempt, retryBaseMs, RETRY_CAP_MS, this.#options.random);
      const again = !everSent || repeatable;
      if (!again || deadlineAt - now() <= waitMs + 5 || failure.code === 'CANCELLED' || !retries.spend()) {
        if (everSent === failure.facts.sent) throw failure;
        throw new GuildwayError(failure.code, failure.message, {
          cause: failure,
          facts: { ...failure.facts, sent: everSent },
        });
      }
      metrics.retried(owner.ordinal);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  async #askOnce(owner: Upstream, request: GatewayRequest, timeoutMs: number): Promise<Answer> {
    const response = await this.#attempt(owner, request, timeoutMs);
    if (response.status !== 421) return { response, pod: owner.ordinal };
    // The pods disagree. Follow once: with two that point at each other there would be no end.
    const named = Number(headerValue(response.headers, HEADER.owner) ?? Number.NaN);
    const { upstreams, topology, log } = this.#options;
    const next = upstreams[named];
    const ours = `${topology.fingerprint} epoch ${topology.epoch}`;
    const theirs = `epoch ${headerValue(response.headers, HEADER.epoch) ?? 'unknown'}`;
    log.warn({ pod: owner.ordinal, named, ours, theirs }, 'a pod says that it is not the owner');
    if (next !== undefined && next !== owner) {
      const followed = await this.#attempt(next, request, timeoutMs);
      if (followed.status !== 421) return { response: followed, pod: next.ordinal };
    }
    throw owner.error(
      'TOPOLOGY_MISMATCH',
      `it is not the owner of this guild (it names pod ${named}, ${theirs}), but this pod computed that (${ours}): NUM_GATEWAY_PODS, ROUTING or DISCORD_SHARDS differ`,
      false,
    );
  }

  async #attempt(upstream: Upstream, request: GatewayRequest, timeoutMs: number): Promise<GatewayResponse> {
    if (!upstream.breaker.tryPass())
      throw upstream.error('LINK_UNAVAILABLE', 'it has been failing; not asked for a moment', false);
    try {
      const response = await upstream.request(request, timeoutMs);
      upstream.breaker.succeeded();
      return response;
    } catch (error) {
      if ((error as GuildwayError).code === 'CANCELLED') upstream.breaker.undecided();
      else upstream.breaker.failed();
      throw error;
    }
  }
}
