import type { APIInteractionResponse, APIMessage } from 'discord-api-types/v10';
import type { Clock } from '../clock.ts';
import { DiscordError, FormErrors } from '../rest/errors.ts';
import { deferredFlags, validateChoices, validateMessage, validateModal } from '../rest/validate-message.ts';
import type { SnowflakeSource } from '../snowflake.ts';
import type { UploadedFile } from '../store/files.ts';
import { EPHEMERAL, LOADING, type MessageBody, type MessageBuilder } from '../store/message-builder.ts';
import type { MessageStore, StoredMessage } from '../store/messages.ts';
import type { Violations } from '../violations.ts';
import type { World } from '../world/world.ts';
import type { Modals } from './modals.ts';
import { complete, type InteractionKind, type InteractionRecord, type InteractionRecords } from './records.ts';

/** The types of first responses that Discord accepts, by the interaction's type. */
const ALLOWED: Readonly<Record<InteractionKind, readonly number[]>> = {
  1: [1],
  2: [4, 5, 9, 12],
  3: [4, 5, 6, 7, 9, 12],
  4: [8],
  5: [4, 5, 6, 7, 12],
};

interface ResponderParts {
  readonly clock: Clock;
  readonly ids: SnowflakeSource;
  readonly world: World;
  readonly messages: MessageStore;
  readonly builder: MessageBuilder;
  readonly records: InteractionRecords;
  readonly modals: Modals;
  readonly violations: Violations;
  readonly deadlineMs: number;
}

/** Applies responses, follow-ups and edits. Enforces Discord's order and time limits. */
export class Responder {
  readonly #parts: ResponderParts;

  constructor(parts: ResponderParts) {
    this.#parts = parts;
  }

  /**
   * Applies the first response, from the HTTP response or the callback endpoint.
   * @throws DiscordError 10062 too late, 40060 already acknowledged, 50035 or 50006 invalid
   */
  answer(record: InteractionRecord, body: unknown, files: readonly UploadedFile[]): StoredMessage | null {
    const { clock, violations, deadlineMs } = this.#parts;
    if (record.state === 'answered') {
      violations.record('second_response', `interaction ${record.id}`);
      throw new DiscordError(400, 40060);
    }
    if (record.state === 'dead' || clock.now() - record.createdAt > deadlineMs) {
      violations.record('late_response', `interaction ${record.id}`);
      throw new DiscordError(404, 10062);
    }
    const response = (body ?? {}) as APIInteractionResponse;
    let original: StoredMessage | null;
    try {
      original = this.#apply(record, response, files);
    } catch (error) {
      violations.record('invalid_response', `interaction ${record.id}: ${(error as Error).message}`);
      throw error;
    }
    record.state = 'answered';
    record.responseType = response.type;
    record.response = response;
    record.originalId = original?.message.id ?? null;
    record.loading = response.type === 5 || response.type === 6;
    for (const done of record.onAnswer.splice(0)) done();
    return original;
  }

  /** `@original`. @throws DiscordError 10015 before the first response, 50027 after 15 minutes, 10008 without a message */
  original(record: InteractionRecord | undefined): StoredMessage {
    const found = this.#parts.messages.get(this.usable(record).originalId ?? '');
    if (found === undefined) throw new DiscordError(404, 10008);
    return found;
  }

  editOriginal(record: InteractionRecord | undefined, body: unknown, files: readonly UploadedFile[]): APIMessage {
    const stored = this.original(record);
    const answered = record as InteractionRecord;
    this.#edit(stored, body, files);
    complete(answered);
    return stored.message;
  }

  deleteOriginal(record: InteractionRecord | undefined): void {
    this.#parts.messages.delete(this.original(record).message.id);
    complete(record as InteractionRecord);
  }

  /** Directly after a deferred response (type 5), a follow-up completes it like an edit, as Discord documents. */
  followUp(record: InteractionRecord | undefined, body: unknown, files: readonly UploadedFile[]): APIMessage {
    const answered = this.usable(record);
    if (answered.loading && answered.responseType === 5) return this.editOriginal(answered, body, files);
    const valid = validateMessage(body, { edited: null, files: files.length });
    const stored = this.#create(answered, valid, files, 0);
    complete(answered);
    return stored.message;
  }

  /** Finds a follow-up by its id. @throws DiscordError 10008 */
  followUpMessage(record: InteractionRecord | undefined, messageId: string): StoredMessage {
    const { channelId } = this.usable(record);
    const stored = this.#parts.messages.get(messageId);
    if (stored === undefined || stored.channelId !== channelId) throw new DiscordError(404, 10008);
    return stored;
  }

  editFollowUp(
    record: InteractionRecord | undefined,
    messageId: string,
    body: unknown,
    files: readonly UploadedFile[],
  ): APIMessage {
    if (record?.originalId === messageId) return this.editOriginal(record, body, files);
    const stored = this.followUpMessage(record, messageId);
    this.#edit(stored, body, files);
    return stored.message;
  }

  deleteFollowUp(record: InteractionRecord | undefined, messageId: string): void {
    this.#parts.messages.delete(this.followUpMessage(record, messageId).message.id);
  }

  /** Checks that the interaction's webhook can be used. @returns the record @throws DiscordError 10015, 50027 */
  usable(record: InteractionRecord | undefined): InteractionRecord {
    if (record === undefined) throw new DiscordError(404, 10015);
    if (this.#parts.records.expired(record)) throw new DiscordError(401, 50027);
    if (record.state !== 'answered' || record.type === 4) {
      this.#parts.violations.record('early_edit', `interaction ${record.id} is ${record.state}`);
      throw new DiscordError(404, 10015);
    }
    return record;
  }

  #apply(
    record: InteractionRecord,
    response: APIInteractionResponse,
    files: readonly UploadedFile[],
  ): StoredMessage | null {
    const type: number = response.type;
    const allowed = ALLOWED[record.type];
    // Types 6 and 7 change the message of a component. A modal that a command opened has no such message.
    if (!allowed.includes(type) || ((type === 6 || type === 7) && record.sourceMessageId === null)) {
      const errors = new FormErrors();
      errors.add('type', 'INTERACTION_CALLBACK_TYPE_INVALID', `Value must be one of {${allowed.join(', ')}}.`);
      errors.throwIfAny();
    }
    const data: unknown = 'data' in response ? response.data : undefined;
    const source = this.#parts.messages.get(record.sourceMessageId ?? '') ?? null;
    if (type === 4)
      return this.#create(record, validateMessage(data, { edited: null, files: files.length, at: 'data.' }), files, 0);
    if (type === 5) return this.#create(record, { flags: deferredFlags(data) }, [], LOADING);
    if (type === 6) return source;
    if (type === 7) {
      if (source !== null) this.#edit(source, data, files, 'data.');
      return source;
    }
    if (type === 8) validateChoices(data);
    if (type === 9) {
      validateModal(data);
      this.#parts.modals.open(record, data as Record<string, unknown>);
    }
    return null;
  }

  #edit(stored: StoredMessage, body: unknown, files: readonly UploadedFile[], at?: 'data.'): void {
    const { message } = stored;
    const rules = { edited: message, files: files.length };
    const valid = validateMessage(body, at === undefined ? rules : { ...rules, at });
    const wasLoading = ((message.flags ?? 0) & LOADING) !== 0;
    const edited = this.#parts.builder.edit(message, valid, files);
    if (wasLoading) edited.flags = ((edited.flags ?? 0) & ~LOADING) | ((valid.flags ?? 0) & (4 | 32768));
    if (
      wasLoading &&
      !edited.content &&
      !edited.embeds.length &&
      !edited.components?.length &&
      !edited.attachments.length
    ) {
      throw new DiscordError(400, 50006);
    }
    this.#parts.messages.replace(stored, edited);
  }

  #create(record: InteractionRecord, body: MessageBody, files: readonly UploadedFile[], flags: number): StoredMessage {
    const { world, builder, messages, ids } = this.#parts;
    const user = world.user(record.userId);
    const isFirst = record.state === 'waiting';
    const message = builder.build({
      id: ids.next(),
      channelId: record.channelId,
      author: world.bot,
      body,
      files,
      extra: {
        webhook_id: world.bot.id,
        application_id: world.bot.id,
        ...(isFirst && record.type === 2 ? { type: record.commandType === 1 ? 20 : 23 } : {}),
        interaction_metadata: {
          id: record.id,
          type: record.type,
          user,
          authorizing_integration_owners: {},
          name: record.name,
        },
        ...(record.type === 2 ? { interaction: { id: record.id, type: record.type, name: record.name, user } } : {}),
      },
    });
    if (flags !== 0) message.flags = (message.flags ?? 0) | flags;
    const ephemeral = ((message.flags ?? 0) & EPHEMERAL) !== 0;
    return messages.add({
      message,
      channelId: record.channelId,
      guildId: record.guildId,
      visibleTo: ephemeral ? record.userId : null,
    });
  }
}
