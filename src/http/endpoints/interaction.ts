import type { BotManifest } from '../../bot/types.ts';
import type { HttpConfig } from '../../config/load.ts';
import { certainlyNotSent, type GuildwayError } from '../../errors.ts';
import { type GatewayRequest, HEADER, MAX_LINK_BODY } from '../../link/message.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { hasHandlerName, INTERACTION } from '../../protocol/discord.ts';
import { HINT_LIFE_MS } from '../../protocol/hints.ts';
import { interactionIdentity } from '../../protocol/identity.ts';
import { PATH } from '../../protocol/paths.ts';
import { podStatement } from '../../protocol/pod-statement.ts';
import { isGuildId, isSnowflake } from '../../routing/snowflake.ts';
import { before, inMs, type MonotonicTime } from '../../time.ts';
import type { EdgeRequest } from '../inbound/edge-request.ts';
import type { RequestHeaders } from '../inbound/headers.ts';
import { refuseBody, sendAnswer, sendError, sendJson } from '../inbound/reply.ts';
import type { HttpMetrics, InteractionOutcome } from '../metrics/http-metrics.ts';
import type { OwnerClient } from '../outbound/owner-client.ts';
import type { StandIns } from '../outbound/stand-ins.ts';
import { deferralOf, deferred, type Interaction, NO_CHOICES, refused, unknown } from './deferral.ts';
import type { SignatureVerifier } from './discord-signature.ts';

export interface InteractionEndpointOptions {
  readonly config: Pick<HttpConfig, 'name' | 'interactionBudgetMs' | 'standInReserveMs'>;
  readonly owners: OwnerClient;
  readonly standIns: StandIns;
  readonly verifier: SignatureVerifier;
  readonly headersFor: RequestHeaders;
  /** The bot's manifest, preferably from a pod's handshake. */
  readonly manifest: () => BotManifest;
  readonly metrics: HttpMetrics;
  readonly log: ThrottledLog;
}

/** The limit of the link and of stand-ins. Bodies from Discord are far smaller. */
const MAX_BODY = MAX_LINK_BODY;

/** `POST /webhooks/discord`: verifies and routes interactions. Responds within Discord's time limit even if the owner fails. */
export class InteractionEndpoint {
  readonly #options: InteractionEndpointOptions;

  constructor(options: InteractionEndpointOptions) {
    this.#options = options;
  }

  /** @returns the ordinal of the pod that handled the interaction, or null */
  async handle(request: EdgeRequest): Promise<number | null> {
    const { config, verifier, metrics, log } = this.#options;
    const deadlineAt = inMs(config.interactionBudgetMs);
    const claim = verifier.claimOf(request.fields);
    if (claim === null) {
      sendError(request, 401, 'invalid request signature');
      return null;
    }
    let body: Buffer;
    try {
      body = await request.readBody(MAX_BODY, 'interaction', null);
    } catch (error) {
      refuseBody(request, error as GuildwayError);
      return null;
    }
    if (!(await verifier.verify(claim, body))) {
      sendError(request, 401, 'invalid request signature');
      return null;
    }
    const interaction = parse(body);
    if (interaction === null) {
      metrics.interaction('invalid');
      log.warn({ request: request.id }, 'a signed body is not an interaction');
      sendError(request, 400, 'not an interaction');
      return null;
    }
    if (interaction.type === INTERACTION.ping) {
      sendJson(request, 200, { type: 1 });
      return null;
    }
    return this.#route(interaction, body, request, deadlineAt);
  }

  async #route(
    interaction: Interaction,
    body: Buffer,
    incoming: EdgeRequest,
    deadlineAt: MonotonicTime,
  ): Promise<number | null> {
    const { config, owners, metrics, headersFor } = this.#options;
    const guildId = interaction.guild_id;
    // Forwards the signature, because a server other than a Guildway pod verifies it again.
    const headers = headersFor(incoming);
    const request: GatewayRequest = { method: 'POST', target: PATH.interactions, headers, body };
    let failure: GuildwayError | undefined;
    // A failed owner may have carried out part of it.
    let sent = true;
    try {
      const { response: answer, pod } = await owners.fetch(guildId, request, {
        deadlineAt: before(deadlineAt, config.standInReserveMs),
        // Only Guildway pods recognize a repeated interaction. Another server would execute it twice.
        repeatable: 'at-our-pods',
      });
      if (answer.status < 500) {
        metrics.interaction('answered');
        sendAnswer(incoming, answer, pod, config.name);
        return pod;
      }
      // Another server than a Guildway pod: Discord does not accept this status, and a retry might execute the interaction twice.
      const statement = podStatement(answer.status, answer.headers);
      if (statement === null) return this.#answerUnknown(incoming);
      sent = statement.kind !== 'held';
    } catch (error) {
      failure = error as GuildwayError;
      sent = !certainlyNotSent(error);
    }
    return this.#away(interaction, request, guildId, incoming, deadlineAt, sent, failure);
  }

  /** The owner did not respond: stores the interaction if possible and responds with the known outcome. */
  async #away(
    interaction: Interaction,
    request: GatewayRequest,
    guildId: string | null,
    incoming: EdgeRequest,
    deadlineAt: MonotonicTime,
    sent: boolean,
    error?: unknown,
  ): Promise<null> {
    const { owners, standIns, metrics, log } = this.#options;
    const owner = owners.ownerOf(guildId).ordinal;
    const facts = { guild: guildId, pod: owner, interaction: interaction.id, request: incoming.id, err: error };
    const answer = (outcome: InteractionOutcome, value: unknown): null => this.#answer(incoming, outcome, value);
    if (interaction.type === INTERACTION.autocomplete) return answer('refused', NO_CHOICES);

    let maybe = sent;
    const rule = deferralOf(interaction, this.#options.manifest());
    if (rule !== null) {
      const handoff = await standIns.store(
        {
          identity: interactionIdentity(interaction.id),
          owner,
          guildId,
          request,
          deferred: rule.type,
          sent,
          lifeMs: HINT_LIFE_MS.interaction,
        },
        deadlineAt,
      );
      if (handoff.kind === 'kept') {
        log.info({ ...facts, keeper: handoff.pod }, 'owner away: interaction deferred');
        return answer('deferred', deferred(rule));
      }
      if (handoff.kind === 'conflict') {
        log.warn(facts, 'refused: the same interaction id with another body');
        metrics.interaction('invalid');
        sendError(incoming, 409, 'this interaction id was used with another body');
        return null;
      }
      maybe ||= handoff.kind === 'unknown';
    }
    log.warn({ ...facts, sent: maybe, deferrable: rule !== null }, 'owner away: interaction not stored');
    return maybe ? this.#answerUnknown(incoming) : answer('refused', refused(incoming.id));
  }

  #answerUnknown(incoming: EdgeRequest): null {
    return this.#answer(incoming, 'unknown', unknown(incoming.id));
  }

  #answer(incoming: EdgeRequest, outcome: InteractionOutcome, value: unknown): null {
    this.#options.metrics.interaction(outcome);
    sendJson(incoming, 200, value, [HEADER.httpPod, this.#options.config.name]);
    return null;
  }
}

/** The interaction in a signed body, or null if the body is something else. Its guild id is valid or null. */
function parse(body: Buffer): Interaction | null {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { id, type, guild_id: guildId, data } = value as Record<string, unknown>;
  if (typeof type !== 'number') return null;
  if (type !== INTERACTION.ping && !isSnowflake(id)) return null;
  if (guildId !== undefined && guildId !== null && !isGuildId(guildId)) return null;
  if (!hasHandlerName(type, data)) return null;
  return {
    id: String(id),
    type,
    guild_id: typeof guildId === 'string' ? guildId : null,
    data: (data ?? {}) as NonNullable<Interaction['data']>,
  };
}
