import type { APIInteraction } from 'discord-api-types/v10';
import { GuildwayError } from '../../errors.ts';
import { HINT_LIFE_MS } from '../../protocol/hints.ts';
import { after, type Duration, type MonotonicTime, remaining, type WallTime } from '../../time.ts';
import type { NewJob } from '../store/jobs.ts';

/** The names of the rows in `guildway_jobs`. No job of a bot has such a name. */
export const FOLLOW_UP = 'interaction:follow-up';
export const AFTER = 'interaction:after';

/** An interaction whose webhook a job uses. Plain data. */
export interface WebhookOwner {
  readonly id: string;
  readonly applicationId: string;
  readonly token: string;
  /** The token is valid until then. */
  readonly expiresAt: number;
}

export interface FollowUpPayload extends WebhookOwner {
  readonly body: unknown;
}

export interface AfterPayload extends WebhookOwner {
  readonly type: number;
  readonly data: unknown;
}

/** An interaction as its handler's context knows it. */
export interface HandledInteraction {
  readonly interaction: APIInteraction;
  /** The user sees a deferred response. Its completion must come first: Discord would take a follow-up for it. */
  readonly isDeferred: boolean;
  /** When a deferred response can no longer be completed; null: it has just arrived. */
  readonly completeUntil: MonotonicTime | null;
}

/** The first response leaves the pod when the handler has returned. */
const PAUSE_MS = 250;
const DEFERRED_PAUSE_MS = 1_000;
const MAX_BODY_LENGTH = 64 * 1024;

/** @param nth of the follow-ups of this handler, which are sent in order */
export function followUpJob(
  handled: HandledInteraction,
  message: unknown,
  guildId: string,
  now: WallTime,
  nth: number,
): NewJob {
  const body = typeof message === 'string' ? { content: message } : message;
  const payload = JSON.stringify({ ...ownerOf(handled, now), body } satisfies FollowUpPayload);
  if (payload.length > MAX_BODY_LENGTH) {
    throw new GuildwayError(
      'JOB_INVALID',
      `a follow-up is ${payload.length} characters long; the limit is ${MAX_BODY_LENGTH}`,
    );
  }
  return { guildId, name: FOLLOW_UP, key: null, payload, dueAt: after(now, pauseOf(handled) + nth) };
}

export function afterJob(handled: HandledInteraction, guildId: string, now: WallTime): NewJob {
  const { type, data } = handled.interaction;
  const { custom_id: customId, name, type: commandType } = (data ?? {}) as Record<string, unknown>;
  const payload = JSON.stringify({
    ...ownerOf(handled, now),
    ...{ type, data: { custom_id: customId, name, type: commandType } },
  } satisfies AfterPayload);
  return { guildId, name: AFTER, key: null, payload, dueAt: after(now, pauseOf(handled)) };
}

const pauseOf = ({ isDeferred }: HandledInteraction): Duration => (isDeferred ? DEFERRED_PAUSE_MS : PAUSE_MS);

function ownerOf({ interaction, completeUntil }: HandledInteraction, now: WallTime): WebhookOwner {
  const leftMs = completeUntil === null ? HINT_LIFE_MS.interaction : remaining(completeUntil);
  const { id, application_id: applicationId, token } = interaction;
  return { id, applicationId, token, expiresAt: Math.floor(after(now, leftMs)) };
}
