import type { HttpConfig } from '../../config/load.ts';
import { certainlyNotSent, type GuildwayError } from '../../errors.ts';
import { type GatewayRequest, HEADER, MAX_LINK_BODY } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { HINT_LIFE_MS } from '../../protocol/hints.ts';
import { discordEventIdentity, stripeIdentity } from '../../protocol/identity.ts';
import { PATH } from '../../protocol/paths.ts';
import { podStatement } from '../../protocol/pod-statement.ts';
import { pathOf } from '../../protocol/target.ts';
import { EVENT_WEBHOOKS_ROUTE, guildOfRequest, type RouteMatch } from '../../routing/route-table.ts';
import { before, type Duration, inMs, nearestNow } from '../../time.ts';
import type { EdgeRequest } from '../inbound/edge-request.ts';
import { fieldValue, type RequestHeaders } from '../inbound/headers.ts';
import { refuseBody, sendAnswer, sendError, sendJson } from '../inbound/reply.ts';
import type { HttpMetrics } from '../metrics/http-metrics.ts';
import type { OwnerClient } from '../outbound/owner-client.ts';
import type { StandIns } from '../outbound/stand-ins.ts';
import type { SignatureVerifier } from './discord-signature.ts';
import { verifyStripe } from './stripe-signature.ts';

export interface WebhookEndpointsOptions {
  readonly config: Pick<
    HttpConfig,
    'name' | 'interactionBudgetMs' | 'requestTimeoutMs' | 'standInReserveMs' | 'stripeWebhookSecret'
  >;
  readonly owners: OwnerClient;
  readonly standIns: StandIns;
  readonly verifier: SignatureVerifier;
  readonly headersFor: RequestHeaders;
  readonly metrics: HttpMetrics;
  readonly log: ThrottledLog;
}

const EMPTY = Buffer.alloc(0);

/** The limit of the link and of stand-ins. Bodies from Discord and Stripe are far smaller. */
const MAX_BODY = MAX_LINK_BODY;
/** Webhooks whose senders retry until they are acknowledged. An acknowledgement means that a pod has the event on disk. */
export class WebhookEndpoints {
  readonly #options: WebhookEndpointsOptions;

  constructor(options: WebhookEndpointsOptions) {
    this.#options = options;
  }

  /** `POST /webhooks/discord-events`. @returns the ordinal of the pod that handled the event, or null */
  async discordEvent(request: EdgeRequest): Promise<number | null> {
    const { verifier, config } = this.#options;
    const claim = verifier.claimOf(request.fields);
    if (claim === null) {
      sendError(request, 401, 'invalid request signature');
      return null;
    }
    const body = await this.#read(request);
    if (body === null) return null;
    if (!(await verifier.verify(claim, body))) {
      sendError(request, 401, 'invalid request signature');
      return null;
    }
    const payload = parseObject(body);
    if (payload === null) {
      sendError(request, 400, 'not an event');
      return null;
    }
    if (payload.type === 0) {
      request.respond(204, [HEADER.requestId, request.id], EMPTY);
      return null;
    }
    const match = { rule: EVENT_WEBHOOKS_ROUTE, guildSegment: null };
    const guild = guildOfRequest(match, { query: '', header: () => undefined, json: () => payload });
    return this.#deliver({
      guildId: guild.kind === 'guild' ? guild.guildId : null,
      identity: discordEventIdentity(payload),
      request: {
        method: 'POST',
        target: PATH.discordEvents,
        headers: ['content-type', 'application/json', HEADER.requestId, request.id],
        body,
      },
      incoming: request,
      // Discord has the same time limit for events as for interactions.
      budgetMs: config.interactionBudgetMs,
      keep: true,
      acknowledge: () => request.respond(204, [HEADER.requestId, request.id], EMPTY),
    });
  }

  /** `POST /webhooks/stripe`: the guild is in the event's metadata. @returns the ordinal of the pod that handled it, or null */
  async stripe(request: EdgeRequest, match: RouteMatch): Promise<number | null> {
    const { config, headersFor } = this.#options;
    const body = await this.#read(request);
    if (body === null) return null;
    const secret = config.stripeWebhookSecret;
    const signature = fieldValue(request.fields, 'stripe-signature');
    if (secret !== null && !verifyStripe(secret, signature, body, nearestNow, this.#options.log)) {
      sendError(request, 400, 'invalid Stripe signature');
      return null;
    }
    const payload = parseObject(body);
    if (payload === null) {
      sendError(request, 400, 'not a Stripe event');
      return null;
    }
    // The bot's own route for this path may name other fields.
    const guild = guildOfRequest(match, {
      query: request.url.slice(pathOf(request.url).length + 1),
      header: (name) => fieldValue(request.fields, name),
      json: () => payload,
    });
    return this.#deliver({
      guildId: guild.kind === 'guild' ? guild.guildId : null,
      identity: stripeIdentity(payload, body),
      request: {
        method: 'POST',
        target: request.url,
        headers: [...headersFor(request), ...(secret === null ? [] : [HEADER.verified, 'stripe'])],
        body,
      },
      incoming: request,
      budgetMs: config.requestTimeoutMs,
      // Never stores an unverified body, which could fill the disk.
      keep: secret !== null,
      acknowledge: () => sendJson(request, 200, { received: true }),
    });
  }

  async #deliver(delivery: {
    guildId: string | null;
    identity: string;
    request: GatewayRequest;
    incoming: EdgeRequest;
    budgetMs: Duration;
    keep: boolean;
    acknowledge: () => void;
  }): Promise<number | null> {
    const { config, owners, standIns, log } = this.#options;
    const { guildId, identity, request, incoming } = delivery;
    const deadlineAt = inMs(delivery.budgetMs);
    const ownerUntil = before(deadlineAt, Math.min(config.standInReserveMs, delivery.budgetMs / 2));
    const owner = owners.ownerOf(guildId);
    let sent = true;
    try {
      const { response: answer, pod } = await owners.fetch(guildId, request, {
        deadlineAt: ownerUntil,
        repeatable: 'at-our-pods',
      });
      // The bot's status is the response. The sender of the webhook decides what to do with it.
      const statement = podStatement(answer.status, answer.headers);
      if (statement === null) {
        sendAnswer(incoming, answer, pod, config.name);
        return pod;
      }
      sent = statement.kind !== 'held';
      log.warn({ guild: guildId, pod, status: answer.status, request: incoming.id }, 'a webhook failed at its owner');
    } catch (error) {
      sent = !certainlyNotSent(error);
      log.warn(
        { guild: guildId, pod: owner.ordinal, request: incoming.id, err: error as GuildwayError },
        'owner away: webhook',
      );
    }
    if (delivery.keep) {
      const handoff = await standIns.store(
        { identity, owner: owner.ordinal, guildId, request, deferred: 0, sent, lifeMs: HINT_LIFE_MS.event },
        deadlineAt,
      );
      if (handoff.kind === 'kept') {
        delivery.acknowledge();
        return null;
      }
    }
    sendError(incoming, 503, 'the owner of this guild is away; send it again', ['retry-after', '5']);
    return null;
  }

  async #read(request: EdgeRequest): Promise<Buffer | null> {
    try {
      return await request.readBody(MAX_BODY, 'other', null);
    } catch (error) {
      refuseBody(request, error as GuildwayError);
      return null;
    }
  }
}

function parseObject(body: Buffer): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
