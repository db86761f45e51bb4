import { DispatchError, GuildwayError } from '../../errors.ts';
import { fullJitter } from '../../link/backoff.ts';
import type { LinkClient } from '../../link/client.ts';
import type { GatewayResponse } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { podStatement } from '../../protocol/pod-statement.ts';
import type { Topology } from '../../routing/topology.ts';
import { type Duration, remaining } from '../../time.ts';
import type { HttpMetrics } from '../metrics.ts';
import { Call, type Outcome, outcomeOf, type Redirect, type RouteInit } from './call.ts';
import { blamesPod, mayTryAgain } from './retry.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { Upstream } from './upstream.ts';

export interface OwnerClientOptions {
  readonly upstreams: readonly Upstream[];
  readonly topology: Topology;
  readonly retries: RetryBudget;
  readonly retryBaseMs: Duration;
  readonly metrics: HttpMetrics;
  readonly log: ThrottledLog;
}

const RETRY_CAP_MS = 500;

/** How an attempt ended that was made before {@link OwnerClient.#deliver} took over. */
type First = { readonly failure: GuildwayError } | { readonly redirect: Redirect } | null;

/** Sends requests to the gateway pods that own their guilds. Every request that leaves an HTTP pod for an owner passes here. */
export class OwnerClient {
  readonly #options: OwnerClientOptions;

  constructor(options: OwnerClientOptions) {
    this.#options = options;
  }

  /** The pod that owns a guild, or pod 0 for null. */
  ownerOf(guildId: string | null): Upstream {
    const { upstreams, topology } = this.#options;
    return upstreams[topology.ownerOf(guildId)] as Upstream;
  }

  /**
   * The pod that is asked: the owner of a guild, or pod 0 for null. Where any pod may answer, pod 0 too, as long as it lives: what a
   * bot keeps without a guild is there.
   */
  podFor(guildId: string | null, anyPod: boolean): Upstream {
    const owner = this.ownerOf(guildId);
    return anyPod && !owner.live ? (this.#another(owner) ?? owner) : owner;
  }

  #another(failed: Upstream): Upstream | undefined {
    return this.#options.upstreams.find((pod) => pod !== failed && pod.live);
  }

  /** {@link send} to the owner of a guild. @param guildId a valid guild id; null for what has no guild */
  routeToGateway(guildId: string | null, path: string, init: RouteInit): Call {
    return this.send(this.ownerOf(guildId), path, init);
  }

  /**
   * Sends a request to the pod that owns its guild: over the link where the pod knows it, else over plain HTTP; again where that is
   * safe, until the deadline; to the pod that a 421 names, once.
   * @param path path and query, as the gateway pod is to see them
   * @returns the call, to be cancelled when its caller goes away
   */
  send(owner: Upstream, path: string, init: RouteInit): Call {
    const { link, breaker } = owner;
    const call = new Call(path, init);
    this.#options.retries.earn();
    if (link === null || link.state !== 'ready' || !breaker.closed || init.streams) {
      void this.#deliver(owner, call, null);
      return call;
    }
    // The way of most requests: one callback and no promise, timer or signal. What does not go smoothly goes the other way.
    call.link = link;
    call.linkId = link.send(call, init.deadlineAt, (failure, response) => {
      call.link = null;
      if (failure !== null) {
        if (blamesPod(failure.code)) breaker.failed();
        void this.#deliver(owner, call, { failure });
        return;
      }
      const { status, headers } = response as GatewayResponse;
      const statement = podStatement(status, headers);
      if (statement?.kind === 'refused') {
        breaker.failed();
        void this.#deliver(owner, call, { failure: owner.refusal(status, statement.why) });
        return;
      }
      breaker.succeeded();
      if (statement?.kind === 'redirect') void this.#deliver(owner, call, { redirect: statement });
      else init.onAnswer(owner.ordinal, response);
    });
    return call;
  }

  /** Goes on until there is an answer or there will be none. */
  async #deliver(owner: Upstream, call: Call, first: First): Promise<void> {
    let answer: { pod: Upstream; response: GatewayResponse | null };
    try {
      answer = await this.#retrying(owner, call, first);
    } catch (error) {
      const known = error instanceof GuildwayError;
      call.init.onFailure(known ? error : owner.error('LINK_LOST', String(error), 'unknown', error));
      return;
    }
    call.init.onAnswer(answer.pod.ordinal, answer.response);
  }

  async #retrying(asked: Upstream, call: Call, first: First) {
    let owner = asked;
    const { init } = call;
    const { retries, retryBaseMs, metrics } = this.#options;
    // Once sent without an answer, the outcome stays unknown whatever later attempts say.
    let sentEver = false;
    for (let attempt = 0; ; attempt++) {
      let failure: GuildwayError;
      try {
        if (attempt === 0 && first !== null) {
          if ('failure' in first) throw first.failure;
          return await this.#follow(owner, call, first.redirect);
        }
        const outcome = await this.#attempt(owner, call);
        if ('done' in outcome) return { pod: owner, response: outcome.done };
        return await this.#follow(owner, call, outcome.redirect);
      } catch (error) {
        if (!(error instanceof GuildwayError)) throw error;
        failure = error;
      }
      const sentNow = failure instanceof DispatchError && failure.outcome === 'unknown';
      sentEver ||= sentNow;
      const repeatable = init.repeatable === 'always' || (init.repeatable === 'at-our-pods' && owner.linked);
      const again = call.cancelled ? 'no' : mayTryAgain({ code: failure.code, sentNow, sentEver, repeatable });
      if (init.anyPod) owner = this.#another(owner) ?? owner;
      const waitMs = owner.breaker.pauseMs + fullJitter(attempt, retryBaseMs, RETRY_CAP_MS);
      const inTime = remaining(init.attemptsUntil) > waitMs + 5;
      if (again === 'no' || !inTime || (again === 'costs' && !retries.spend())) {
        if (sentEver === sentNow) throw failure;
        throw new DispatchError(failure.code, 'unknown', failure.message, { cause: failure, facts: failure.facts });
      }
      if (again === 'costs') metrics.retried(owner.ordinal);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** @throws DispatchError */
  async #attempt(pod: Upstream, call: Call): Promise<Outcome> {
    const { init } = call;
    // All requests that wait for this pod share one dial.
    const linked = !init.streams && pod.linked && (await pod.connect(remaining(init.attemptsUntil))) === 'ready';
    if (call.cancelled) throw pod.error('CANCELLED', 'the client disconnected', 'not-sent');
    if (!pod.breaker.tryPass())
      throw pod.error('LINK_UNAVAILABLE', 'it has been failing; not asked for a moment', 'not-sent');
    const timeoutMs = remaining(init.deadlineAt);
    try {
      const outcome = linked ? await overLink(pod, call) : await init.overPlain(pod, call.target, timeoutMs);
      pod.breaker.succeeded();
      return outcome;
    } catch (error) {
      if (error instanceof GuildwayError && blamesPod(error.code)) pod.breaker.failed();
      else pod.breaker.undecided();
      throw error;
    }
  }

  /**
   * Turns to the pod that a 421 names: once, as with two that point at each other there would be no end.
   * @throws GuildwayError TOPOLOGY_MISMATCH: nothing was done, and an operator must look at it
   */
  async #follow(owner: Upstream, call: Call, { owner: named, epoch }: Redirect) {
    const { upstreams, topology, log } = this.#options;
    const next = upstreams[named];
    const ours = `${topology.fingerprint} epoch ${topology.epoch}`;
    const theirs = theirTopology(owner, epoch);
    log.warn({ pod: owner.ordinal, named, ours, theirs }, 'a pod says that it is not the owner of a guild');
    if (next !== undefined && next !== owner) {
      const second = await this.#attempt(next, call);
      if ('done' in second) return { pod: next, response: second.done };
    }
    throw owner.error(
      'TOPOLOGY_MISMATCH',
      `it is not the owner of this guild (it names pod ${named}, ${theirs}), but this pod computed that (${ours}): NUM_GATEWAY_PODS, ROUTING or DISCORD_SHARDS differ`,
      'not-sent',
    );
  }
}

function overLink(pod: Upstream, call: Call): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    call.link = pod.link as LinkClient;
    call.linkId = call.link.send(call, call.init.deadlineAt, (error, response) => {
      call.link = null;
      if (response === null) {
        reject(error);
        return;
      }
      try {
        resolve(outcomeOf(pod, response));
      } catch (refusal) {
        reject(refusal as GuildwayError);
      }
    });
  });
}

function theirTopology({ link }: Upstream, epoch: number): string {
  const known = link?.peer?.topology;
  if (known === undefined) return `epoch ${Number.isNaN(epoch) ? 'unknown' : epoch}`;
  const { strategy, shards, pods } = known;
  return `${strategy}/${shards === null ? '' : `${shards}/`}${pods} epoch ${Number.isNaN(epoch) ? known.epoch : epoch}`;
}
