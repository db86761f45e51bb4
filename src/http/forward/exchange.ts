import { type ErrorCode, errorCode, GuildwayError } from '../../errors.ts';
import { fullJitter } from '../../link/backoff.ts';
import { type GatewayRequest, type GatewayResponse, HEADER, type HeaderList, headerValue } from '../../link/message.ts';
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

/** What a pod made of an attempt: it did what was asked, or says (421) who would. */
export type Outcome<T> = { readonly done: T } | { readonly redirect: HeaderList };

const RETRY_CAP_MS = 500;
/** A disagreement about owners concerns every request: it is logged this often at most. */
const LOG_PAUSE_MS = 1_000;

/** Failures that another attempt would only repeat. */
const FINAL: ReadonlySet<string> = new Set(['CANCELLED', 'TOPOLOGY_MISMATCH', 'BODY_TOO_LARGE'] satisfies ErrorCode[]);

/** Failures before there is a connection to send on. */
const UNCONNECTED: ReadonlySet<string> = new Set(['LINK_UNAVAILABLE', 'LINK_REFUSED'] satisfies ErrorCode[]);

/** Failures that are the caller's, and say nothing about the pod. */
const SAYS_NOTHING: ReadonlySet<string> = new Set(['CANCELLED', 'BODY_TOO_LARGE'] satisfies ErrorCode[]);

/** Sends whole requests to owners, again where that is safe, and follows a redirect once. */
export class Exchange {
  readonly #options: ExchangeOptions;
  #disagreedAt = Number.NEGATIVE_INFINITY;

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
  ask(owner: Upstream, request: GatewayRequest, deadlineAt: number, repeatable: boolean): Promise<Answer> {
    return this.retrying(owner, deadlineAt, repeatable, (timeoutMs) => this.#askOnce(owner, request, timeoutMs));
  }

  /**
   * Runs `once` until it succeeds: after failures that cannot have reached the pod, and where `repeatable` after any, as
   * long as there is time and, where the pod feels it, the retry budget allows. Between attempts it waits a random time.
   */
  async retrying<T>(
    owner: Upstream,
    deadlineAt: number,
    repeatable: boolean,
    once: (timeoutMs: number) => Promise<T>,
  ): Promise<T> {
    const { retries, retryBaseMs, metrics } = this.#options;
    const now = this.#options.now ?? performance.now.bind(performance);
    retries.earn();
    // Once sent without an answer, the outcome stays unknown whatever later attempts say.
    let everSent = false;
    for (let attempt = 0; ; attempt++) {
      let failure: GuildwayError;
      try {
        return await once(deadlineAt - now());
      } catch (error) {
        if (!(error instanceof GuildwayError)) throw error;
        failure = error;
      }
      everSent ||= failure.facts.sent === true;
      const waitMs = fullJitter(attempt, retryBaseMs, RETRY_CAP_MS, this.#options.random);
      const again = (repeatable || !everSent) && !FINAL.has(failure.code);
      // Waiting for a link costs its pod nothing: one dial serves all who wait, so a pod that restarts fails nobody.
      const free = owner.link !== null && UNCONNECTED.has(failure.code) && failure.facts.sent === false;
      if (!again || deadlineAt - now() <= waitMs + 5 || !(free || retries.spend())) {
        if (everSent === (failure.facts.sent === true)) throw failure;
        const facts = { ...failure.facts, sent: everSent };
        throw new GuildwayError(failure.code, failure.message, { cause: failure, facts });
      }
      if (!free) metrics.retried(owner.ordinal);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  #askOnce(owner: Upstream, request: GatewayRequest, timeoutMs: number): Promise<Answer> {
    return this.following(owner, async (pod) => {
      const response = await throughBreaker(pod, () => pod.request(request, timeoutMs));
      if (response.status === 421) return { redirect: response.headers };
      return { done: { response, pod: pod.ordinal } };
    });
  }

  /**
   * Runs `attempt` at a pod and, if that says that another one is the owner, at that one: once, as with two that point at
   * each other there would be no end.
   * @throws GuildwayError TOPOLOGY_MISMATCH: nothing was done, and an operator must look at it
   */
  async following<T>(owner: Upstream, attempt: (pod: Upstream) => Promise<Outcome<T>>): Promise<T> {
    const first = await attempt(owner);
    if ('done' in first) return first.done;
    const { upstreams, topology } = this.#options;
    const named = Number(headerValue(first.redirect, HEADER.owner) ?? Number.NaN);
    const next = upstreams[named];
    const ours = `${topology.fingerprint} epoch ${topology.epoch}`;
    const theirs = theirTopology(owner, headerValue(first.redirect, HEADER.epoch));
    this.#logDisagreement({ pod: owner.ordinal, named, ours, theirs });
    if (next !== undefined && next !== owner) {
      const second = await attempt(next);
      if ('done' in second) return second.done;
    }
    throw owner.error(
      'TOPOLOGY_MISMATCH',
      `it is not the owner of this guild (it names pod ${named}, ${theirs}), but this pod computed that (${ours}): NUM_GATEWAY_PODS, ROUTING or DISCORD_SHARDS differ`,
      false,
    );
  }

  #logDisagreement(facts: Record<string, unknown>): void {
    const now = performance.now();
    if (now - this.#disagreedAt < LOG_PAUSE_MS) return;
    this.#disagreedAt = now;
    this.#options.log.warn(facts, 'a pod says that it is not the owner of a guild');
  }
}

function theirTopology({ link }: Upstream, epoch: string | undefined): string {
  const known = link?.peer?.topology;
  if (known === undefined) return `epoch ${epoch ?? 'unknown'}`;
  const { strategy, shards, pods } = known;
  return `${strategy}/${shards === null ? '' : `${shards}/`}${pods} epoch ${epoch ?? known.epoch}`;
}

/** Runs one attempt, unless the pod has been failing, and tells its breaker how it went. */
export async function throughBreaker<T>(upstream: Upstream, attempt: () => Promise<T>): Promise<T> {
  const { breaker } = upstream;
  if (!breaker.tryPass())
    throw upstream.error('LINK_UNAVAILABLE', 'it has been failing; not asked for a moment', false);
  try {
    const result = await attempt();
    breaker.succeeded();
    return result;
  } catch (error) {
    if (SAYS_NOTHING.has(errorCode(error) ?? '')) breaker.undecided();
    else breaker.failed();
    throw error;
  }
}
