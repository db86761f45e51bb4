import type { APIMessage } from 'discord-api-types/v10';
import { EPHEMERAL, type MessageBody } from '../store/message-builder.ts';
import { DiscordError, FormErrors } from './errors.ts';
import { checkMessageComponents, checkModalComponents } from './validate-components.ts';

const COMPONENTS_V2 = 32768;

interface MessageRules {
  /** The message to edit, which keeps fields that the body omits; null for a new message. */
  readonly edited: APIMessage | null;
  readonly files: number;
  /** The path of the message in the body: `data.` in the response to an interaction. Default '' */
  readonly at?: 'data.';
}

/** Fields that a components v2 message cannot have. */
const LEGACY_FIELDS = ['content', 'embeds', 'sticker_ids', 'poll'] as const;

/**
 * Checks a message as Discord does.
 * @throws DiscordError 50035 with all invalid fields, or 50006 for an empty message
 */
export function validateMessage(value: unknown, { edited, files, at }: MessageRules): MessageBody {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    if (files > 0 && value === undefined) return {};
    throw new DiscordError(400, edited === null ? 50006 : 50035);
  }
  const body = value as MessageBody;
  const errors = new FormErrors(at);
  const v2 = (((body.flags ?? 0) | (edited?.flags ?? 0)) & COMPONENTS_V2) !== 0;
  if (body.content !== undefined && body.content !== null) errors.text('content', body.content, 0, 2000);
  if (body.flags !== undefined && body.flags !== null && !Number.isInteger(body.flags)) {
    errors.add('flags', 'NUMBER_TYPE_COERCE', 'Value is not int.');
  }
  checkEmbeds(errors, body);
  checkMessageComponents(errors, 'components', body.components, v2);
  if (v2) checkLegacyFields(errors, body, edited);
  errors.throwIfAny();
  const shown = body.content || body.embeds?.length || body.components?.length || body.poll || body.sticker_ids?.length;
  if (edited === null && !shown && files === 0) throw new DiscordError(400, 50006);
  return body;
}

/** A components v2 message has none of these fields, neither in the body nor in the edited message. */
function checkLegacyFields(errors: FormErrors, body: MessageBody, edited: APIMessage | null): void {
  const before = edited as unknown as Record<string, unknown> | null;
  for (const field of LEGACY_FIELDS) {
    const value = body[field] === undefined ? before?.[field] : body[field];
    if (!value || (Array.isArray(value) && value.length === 0)) continue;
    const message = `The '${field}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2`;
    errors.add(field, 'MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2', message);
  }
}

function checkEmbeds(errors: FormErrors, body: MessageBody): void {
  let total = 0;
  errors.list('embeds', body.embeds, 0, 10).forEach((embed, index) => {
    const path = `embeds.${index}`;
    const limited = (name: string, max: number, owner = embed) => {
      const value = owner[name];
      if (value === undefined || value === null) return;
      errors.text(`${path}.${name}`, value, 0, max);
      total += String(value).length;
    };
    limited('title', 256);
    limited('description', 4096);
    const footer = embed.footer as Record<string, unknown> | undefined;
    if (footer) limited('text', 2048, footer);
    errors.list(`${path}.fields`, embed.fields, 0, 25).forEach((field, at) => {
      errors.text(`${path}.fields.${at}.name`, field.name, 1, 256);
      errors.text(`${path}.fields.${at}.value`, field.value, 1, 1024);
      total += String(field.name).length + String(field.value).length;
    });
  });
  if (total > 6000) errors.add('embeds', 'MAX_EMBED_SIZE_EXCEEDED', 'Embed size exceeds maximum size of 6000');
}

/** Checks a modal. @throws DiscordError 50035 */
export function validateModal(value: unknown): void {
  const errors = new FormErrors();
  const data = (value ?? {}) as Record<string, unknown>;
  errors.text('data.custom_id', data.custom_id, 1, 100);
  errors.text('data.title', data.title, 1, 45);
  checkModalComponents(errors, 'data.components', data.components);
  errors.throwIfAny();
}

/** Checks the suggestions of an autocomplete response. @throws DiscordError 50035 */
export function validateChoices(value: unknown): void {
  const errors = new FormErrors();
  const data = (value ?? {}) as Record<string, unknown>;
  if (!Array.isArray(data.choices)) errors.required('data.choices');
  errors.list('data.choices', data.choices, 0, 25).forEach((choice, index) => {
    errors.text(`data.choices.${index}.name`, choice.name, 1, 100);
    if (typeof choice.value === 'string') errors.text(`data.choices.${index}.value`, choice.value, 0, 100);
    else if (typeof choice.value !== 'number') errors.required(`data.choices.${index}.value`);
  });
  errors.throwIfAny();
}

/** EPHEMERAL is the only valid flag of a deferred response. */
export function deferredFlags(data: unknown): number {
  const flags = (data as { flags?: unknown } | null | undefined)?.flags;
  return typeof flags === 'number' ? flags & EPHEMERAL : 0;
}
