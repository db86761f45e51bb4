import { type APIInteraction, type APIMessage, Routes } from 'discord-api-types/v10';
import type { Bot } from '../../bot/define-bot.ts';
import type { JobContext } from '../../bot/jobs.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import { HINT_LIFE_MS } from '../../protocol/hints.ts';
import { findHandler } from '../dispatch/find-handler.ts';
import {
  AFTER,
  type AfterPayload,
  FOLLOW_UP,
  type FollowUpPayload,
  type WebhookOwner,
} from '../dispatch/interaction-jobs.ts';
import type { InteractionWebhook } from '../dispatch/interaction-webhook.ts';
import type { StoredJob } from '../store/jobs.ts';

export interface InteractionWorkOptions {
  readonly bot: Bot;
  readonly webhook: Pick<InteractionWebhook, 'send' | 'original'>;
  /** Unix milliseconds of the clock that jobs are due by. */
  readonly now: () => number;
}

export const isInteractionRow = (name: string): boolean => name === FOLLOW_UP || name === AFTER;

/**
 * What is left of an interaction after its response: its follow-ups, and the handler that wants the message. Ends when the token does.
 * @throws the client's error if Discord fails or cannot be reached, and the errors of the handler: both are tried again
 */
export async function runInteractionWork(
  job: StoredJob,
  context: JobContext,
  { bot, webhook, now }: InteractionWorkOptions,
): Promise<void> {
  const payload = JSON.parse(job.payload) as FollowUpPayload & AfterPayload;
  const leftMs = payload.expiresAt - now();
  const facts = { interaction: payload.id };
  if (leftMs <= 0) {
    context.log.warn(facts, `the interaction's token has expired: ${job.name} is given up`);
    return;
  }
  const ageMs = Math.max(0, HINT_LIFE_MS.interaction - leftMs);
  const outcome = await (job.name === FOLLOW_UP ? sendFollowUp(payload) : findMessage(payload));
  if (outcome.kind === 'done') return;
  context.log.error({ ...facts, err: errorFacts(outcome.error) }, `Discord rejects ${job.name}`);

  function sendFollowUp({ applicationId, token, body }: FollowUpPayload) {
    const route = Routes.webhook(applicationId, token);
    return webhook.send(ageMs, [{ method: 'POST', route, body: body as Record<string, unknown> }]);
  }

  async function findMessage(owner: WebhookOwner & AfterPayload) {
    const { type, data, applicationId, token } = owner;
    const found = await webhook.original(ageMs, Routes.webhookMessage(applicationId, token, '@original'));
    if (found.kind !== 'done') return found;
    const handler = findHandler(bot, { type, data } as APIInteraction);
    await handler?.after?.(context, found.result as APIMessage);
    return found;
  }
}
