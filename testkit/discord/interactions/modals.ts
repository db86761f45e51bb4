import type { InteractionRecord } from './records.ts';

/** A modal that is open for a user. */
export interface OpenModal {
  readonly customId: string;
  readonly data: Record<string, unknown>;
  readonly guildId: string | null;
  readonly channelId: string;
  /** The message whose component opened it. */
  readonly sourceMessageId: string | null;
}

const MAX_OPEN = 10_000;

/** Modals that are open: the latest for each user and custom id. */
export class Modals {
  readonly #open = new Map<string, OpenModal>();

  open(record: InteractionRecord, data: Record<string, unknown>): void {
    const customId = String(data.custom_id);
    if (this.#open.size >= MAX_OPEN) this.#open.delete(this.#open.keys().next().value as string);
    this.#open.set(key(record.userId, customId), {
      customId,
      data,
      guildId: record.guildId,
      channelId: record.channelId,
      sourceMessageId: record.sourceMessageId,
    });
  }

  get(userId: string, customId: string): OpenModal | undefined {
    return this.#open.get(key(userId, customId));
  }

  close(userId: string, customId: string): void {
    this.#open.delete(key(userId, customId));
  }
}

const key = (userId: string, customId: string): string => `${userId}:${customId}`;
