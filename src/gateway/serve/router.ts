import { randomBytes } from 'node:crypto';
import type { APIInteraction, APIWebhookEvent } from 'discord-api-types/v10';
import { errorCode } from '../../errors.ts';
import { type GatewayResponse, HEADER, type HeaderList, headerValue, INTERNAL_PATHS } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { hasHandlerName } from '../../protocol/discord.ts';
import { HINT_HEADER } from '../../protocol/headers.ts';
import { isWebhook, WEBHOOK_METHOD } from '../../protocol/paths.ts';
import { normalTarget, pathOf } from '../../protocol/target.ts';
import { EVENT_WEBHOOKS_ROUTE, INTERACTIONS_ROUTE, type RouteRule } from '../../routing/route-table.ts';
import { isSnowflake } from '../../routing/snowflake.ts';
import { elapsed, inMs, type MonotonicTime, monotonicNow, remaining } from '../../time.ts';
import type { EventWebhookDispatch } from '../dispatch/event-webhooks.ts';
import { type FetchDispatch, needsWholeBody } from '../dispatch/fetch.ts';
import type { InteractionDispatch } from '../dispatch/interactions.ts';
import { discard, type Reply } from '../dispatch/reply.ts';
import { empty, failed, notServing, problem } from '../dispatch/responses.ts';
import type { GatewayMetrics, Outcome, RequestKind } from '../metrics.ts';
import type { GuildActivity } from '../moving/guild-activity.ts';
import type { Deferred } from '../store/hints.ts';
import type { Guard, Verdict } from './guard.ts';
import type { Incoming } from './incoming.ts';
import type { InternalEndpoints } from './internal-endpoints.ts';

/** Bodies from Discord are far smaller. */
const MAX_WEBHOOK_BODY = 1024 * 1024;

/**
 * How long after the deadline a 504 is sent. The client has given up at the deadline; a response at that moment would race with
 * the client's own error path.
 */
const DEADLINE_GRACE_MS = 250;

export interface RouterOptions {
  readonly ordinal: number;
  readonly guard: Guard;
  readonly activity: GuildActivity;
  readonly interactions: InteractionDispatch;
  readonly eventWebhooks: EventWebhookDispatch;
  readonly fetch: FetchDispatch;
  readonly internal: InternalEndpoints;
  /** Why this pod serves nothing at present, or null. */
  readonly unavailable: () => string | null;
  readonly maxBodyBytes: number;
  readonly metrics: GatewayMetrics;
  readonly log: Logger;
}

/** A request that is being routed. */
interface Routed {
  readonly incoming: Incoming;
  /** Path and query, normalized. */
  readonly target: string;
  readonly path: string;
  readonly query: string;
  readonly requestId: string;
}

/** Routes a request in a gateway pod: checks the owner, determines the kind, calls dispatch. */
export class Router {
  readonly #options: RouterOptions;
  readonly #prefix = randomBytes(6).toString('hex');
  #counter = 0;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** Answers a request; never rejects. */
  async route(incoming: Incoming): Promise<Reply> {
    const parts = partsOf(incoming.target);
    const { path } = parts ?? { path: '' };
    const requestId = this.requestIdOf(incoming.headers);
    const kind = kindOf(incoming, path);
    const startedAt = monotonicNow();
    let reply: Reply;
    try {
      reply =
        parts === null
          ? NO_NORMAL_FORM
          : await withinDeadline(this.#serve({ incoming, ...parts, requestId }), incoming.deadlineAt);
    } catch (error) {
      reply = this.#errorReply(error, requestId);
    }
    const { metrics, log, ordinal } = this.#options;
    const seconds = elapsed(startedAt) / 1_000;
    metrics.requests.inc({ kind, outcome: outcomeOf(reply) });
    if (kind !== 'internal') metrics.handlerSeconds.observe({ kind }, seconds);
    if (log.isLevelEnabled('debug'))
      log.debug({ request: requestId, kind, method: incoming.method, path, status: reply.status, seconds }, 'request');
    return { ...reply, headers: [...reply.headers, HEADER.pod, String(ordinal)] };
  }

  /** The request id from the HTTP pod, or a new one. */
  requestIdOf(headers: HeaderList): string {
    return headerValue(headers, HEADER.requestId) ?? `${this.#prefix}-${++this.#counter}`;
  }

  /** Whether this pod takes a websocket for a target: the guild and the normalized target, or the refusal. */
  admitUpgrade(
    given: string,
    headers: HeaderList,
  ): { readonly guildId: string | null; readonly target: string } | GatewayResponse {
    const parts = partsOf(given);
    if (parts === null) return NO_NORMAL_FORM;
    const { target, path, query } = parts;
    const refusal = this.#refusal();
    if (refusal !== null) return refusal;
    const match = this.#options.guard.match(path);
    const from = match?.rule.guild.from;
    // An upgrade has no body that could name a guild, and a fan-out has no single pod.
    if (path.startsWith(INTERNAL_PATHS) || isWebhook(path) || from === 'json' || from === 'all') {
      return problem(404, 'there is no websocket here');
    }
    const verdict = this.#options.guard.check(match, { method: null, path, query, headers, json: () => null });
    if (verdict.kind === 'wait') return notServing('the guild is moving to another pod');
    return verdict.kind === 'mine' ? { guildId: verdict.guildId, target } : verdict.response;
  }

  /** The response while nothing is served, or null. */
  #refusal(): GatewayResponse | null {
    const why = this.#options.unavailable();
    return why === null ? null : notServing(why);
  }

  async #serve(routed: Routed): Promise<Reply> {
    const { incoming, path, query } = routed;
    const { method, headers } = incoming;
    const { internal, guard, maxBodyBytes } = this.#options;
    if (path.startsWith(INTERNAL_PATHS)) return internal.serve(incoming, path);
    const refusal = this.#refusal();
    if (refusal !== null) return refusal;
    if (isWebhook(path) && method !== WEBHOOK_METHOD) return empty(405, ['allow', WEBHOOK_METHOD]);
    const match = guard.match(path);
    const discords = isDiscords(match?.rule);
    const whole = discords || match?.rule.guild.from === 'json' || needsWholeBody(method, path, headers);
    const body = whole ? await incoming.readBody(discords ? MAX_WEBHOOK_BODY : maxBodyBytes) : null;
    let parsed: unknown;
    const json = (): unknown => (parsed ??= JSON.parse((body as Buffer).toString('utf8')));
    const check = (): Verdict => guard.check(match, { method, path, query, headers, json });
    const verdict = await guard.settled(check, incoming.deadlineAt);
    if (verdict.kind !== 'mine') return verdict.response;

    const { guildId } = verdict;
    const leave = guildId === null ? null : this.#options.activity.enter(guildId);
    try {
      if (body !== null && discords) {
        return await this.#serveDiscord(routed, match?.rule === INTERACTIONS_ROUTE, body, json(), guildId);
      }
      return await this.#serveFetch(routed, body, guildId);
    } finally {
      leave?.();
    }
  }

  #serveFetch({ incoming, target, requestId }: Routed, body: Buffer | null, guildId: string | null): Promise<Reply> {
    const { method, headers } = incoming;
    return this.#options.fetch.serve({
      ...{ method, target, headers, guildId },
      body: body ?? incoming.openBody(),
      requestId,
      deadlineAt: incoming.deadlineAt,
      signal: () => incoming.signal,
    });
  }

  async #serveDiscord(
    { incoming, requestId }: Routed,
    isInteraction: boolean,
    body: Buffer,
    value: unknown,
    guildId: string | null,
  ): Promise<GatewayResponse> {
    const { interactions, eventWebhooks } = this.#options;
    const delivery = { body, guildId, requestId, deadlineAt: incoming.deadlineAt };
    if (!isInteraction) {
      return isObject(value)
        ? eventWebhooks.serve(value as unknown as APIWebhookEvent, delivery)
        : problem(400, 'not an event');
    }
    if (!isInteractionLike(value)) return problem(400, 'not an interaction');
    return interactions.serve(value, {
      ...delivery,
      deferred: deferredOf(headerValue(incoming.headers, HEADER.deferred)),
      completeUntil: endOf(headerValue(incoming.headers, HINT_HEADER.lifeMs)),
    });
  }

  #errorReply(error: unknown, requestId: string): GatewayResponse {
    const { log } = this.#options;
    const facts = { request: requestId, err: errorFacts(error) };
    switch (errorCode(error)) {
      case 'IDENTITY_REUSED':
        log.warn(facts, 'refused: the same identity with another body');
        return problem(409, (error as Error).message);
      case 'BODY_TOO_LARGE':
        return problem(413, (error as Error).message);
      case 'CANCELLED':
        return problem(400, 'the body ended early');
      case 'DEADLINE_EXCEEDED':
        return failed(504, 'the handler did not answer in time');
      case 'STORE_FAILED':
      case 'FENCED':
      case 'TOPOLOGY_MISMATCH':
      case 'DATABASE_CORRUPT':
        log.error(facts, 'the database refused');
        return failed(503, 'this pod cannot write to its database', ['retry-after', '1']);
      default:
        log.error(facts, 'request failed');
        return failed(500, `something went wrong; reference ${requestId}`);
    }
  }
}

/** Settles as `work` does, or resolves with 504 after the deadline. A later result is discarded. */
function withinDeadline(work: Promise<Reply>, deadlineAt: MonotonicTime): Promise<Reply> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(
      () => {
        late = true;
        resolve(failed(504, 'the handler did not answer in time'));
      },
      Math.max(0, remaining(deadlineAt)) + DEADLINE_GRACE_MS,
    ).unref();
    work
      .then((reply) => {
        // Nobody will read this response. Without this, its source would wait or keep producing until the process ends.
        if (late) discard(reply);
        else resolve(reply);
      }, reject)
      .finally(() => clearTimeout(timer));
  });
}

/** The normalized target; null if there is none. Internal targets stay as they are. */
function partsOf(given: string): { readonly target: string; readonly path: string; readonly query: string } | null {
  const target = given.startsWith(INTERNAL_PATHS) ? given : normalTarget(given)?.target;
  if (target === undefined) return null;
  const path = pathOf(target);
  return { target, path, query: target.slice(path.length + 1) };
}

const NO_NORMAL_FORM = problem(400, 'the request target could be read in two ways');

const isDiscords = (rule: RouteRule | undefined): boolean =>
  rule === INTERACTIONS_ROUTE || rule === EVENT_WEBHOOKS_ROUTE;

function kindOf(incoming: Incoming, path: string): RequestKind {
  if (path.startsWith(INTERNAL_PATHS)) return 'internal';
  if (headerValue(incoming.headers, HEADER.hint) !== undefined) return 'hint';
  if (path === INTERACTIONS_ROUTE.path) return 'interaction';
  return path === EVENT_WEBHOOKS_ROUTE.path ? 'event-webhook' : 'fetch';
}

function outcomeOf({ status, headers }: Reply): Outcome {
  if (status === 504) return 'timeout';
  if (status === 503) return 'unavailable';
  if (status >= 500) return 'failed';
  if (status === 421) return 'misdirected';
  if (status >= 400) return 'refused';
  return headerValue(headers, HEADER.replayed) === undefined ? 'ok' : 'replayed';
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** Checks the fields that Guildway relies on. The rest of an interaction is between Discord and the handler. */
function isInteractionLike(value: unknown): value is APIInteraction {
  if (!isObject(value) || typeof value.type !== 'number' || !isSnowflake(value.id)) return false;
  if (value.type === 1) return true;
  if (typeof value.token !== 'string' || !isSnowflake(value.application_id) || !isObject(value.data)) return false;
  return hasHandlerName(value.type, value.data);
}

function deferredOf(value: string | undefined): Deferred {
  return value === '5' ? 5 : value === '6' ? 6 : 0;
}

function endOf(lifeMs: string | undefined): MonotonicTime | null {
  return lifeMs !== undefined && /^\d{1,10}$/.test(lifeMs) ? inMs(Number(lifeMs)) : null;
}
