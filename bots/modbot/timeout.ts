import { Routes } from 'discord-api-types/v10';
import type { BotContext } from 'guildway';
import { guildOf } from './interaction.ts';
import { addCase } from './store/cases.ts';

export interface Timeout {
  readonly userId: string;
  readonly moderatorId: string;
  readonly minutes: number;
  readonly reason: string;
  /** The time of the decision, in Unix milliseconds. */
  readonly decidedAt: number;
}

/**
 * Times a member out and records it. A repetition after a crash sends the same end to Discord and writes no second case.
 * @returns the case's number, or null if Discord refused
 */
export async function timeOut(context: BotContext, timeout: Timeout): Promise<number | null> {
  const guildId = guildOf(context);
  const until = new Date(timeout.decidedAt + timeout.minutes * 60_000).toISOString();
  try {
    await context.rest.patch(Routes.guildMember(guildId, timeout.userId), {
      body: { communication_disabled_until: until },
      reason: timeout.reason,
    });
  } catch (error) {
    context.log.warn({ err: error, userId: timeout.userId }, 'timeout refused');
    return null;
  }
  return context.transaction((db) =>
    addCase(db, {
      guildId,
      kind: 'timeout',
      userId: timeout.userId,
      moderatorId: timeout.moderatorId,
      reason: timeout.reason,
      createdAt: timeout.decidedAt,
    }),
  );
}
