import { EPHEMERAL, eachComponent, type MessageBody } from '../store/message-builder.ts';
import { DiscordError, FormErrors } from './errors.ts';

const COMPONENTS_V2 = 32768;

interface MessageRules {
  /** A message being edited keeps what the body does not name, so nothing has to be there. */
  readonly editing: boolean;
  readonly files: number;
}

/**
 * Checks a message as Discord does.
 * @throws DiscordError 50035 with every wrong field, or 50006 when nothing would be shown
 */
export function validateMessage(value: unknown, rules: MessageRules): MessageBody {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    if (rules.files > 0 && value === undefined) return {};
    throw new DiscordError(400, rules.editing ? 50035 : 50006);
  }
  const body = value as MessageBody;
  const errors = new FormErrors();
  const v2 = ((body.flags ?? 0) & COMPONENTS_V2) !== 0;
  if (body.content !== undefined && body.content !== null) errors.text('content', body.content, 0, 2000);
  if (body.flags !== undefined && body.flags !== null && !Number.isInteger(body.flags)) {
    errors.add('flags', 'NUMBER_TYPE_COERCE', 'Value is not int.');
  }
  checkEmbeds(errors, body);
  checkComponents(errors, body, v2);
  if (v2 && (body.content || body.embeds?.length)) {
    const field = body.content ? 'content' : 'embeds';
    errors.add(
      field,
      'MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2',
      'This field cannot be used with IS_COMPONENTS_V2',
    );
  }
  errors.throwIfAny();
  const shown = body.content || body.embeds?.length || body.components?.length || body.poll || body.sticker_ids?.length;
  if (!rules.editing && !shown && rules.files === 0) throw new DiscordError(400, 50006);
  return body;
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

function checkComponents(errors: FormErrors, body: MessageBody, v2: boolean): void {
  const rows = errors.list('components', body.components, 0, v2 ? 40 : 5);
  const seen = new Set<unknown>();
  rows.forEach((row, index) => {
    const path = `components.${index}`;
    if (!v2 && row.type !== 1) {
      errors.add(`${path}.type`, 'UNION_TYPE_CHOICES', 'Value of field "type" must be one of (1,).');
      return;
    }
    if (row.type === 1) errors.list(`${path}.components`, row.components, 1, 5);
    [...eachComponent(row)].forEach((one, at) => {
      checkComponent(errors, `${path}.components.${Math.max(0, at - 1)}`, one, seen);
    });
  });
}

function checkComponent(errors: FormErrors, path: string, one: Record<string, unknown>, seen: Set<unknown>): void {
  const type = one.type;
  const isLink = type === 2 && (one.style === 5 || one.style === 6);
  const interactive = type === 2 ? !isLink : type === 3 || (typeof type === 'number' && type >= 5 && type <= 8);
  if (type === 2) {
    if (one.label !== undefined) errors.text(`${path}.label`, one.label, 0, 80);
    else if (one.emoji === undefined && one.style !== 6) {
      errors.add(path, 'BUTTON_COMPONENT_INVALID', 'A button must have a label or an emoji');
    }
    if (one.style === 5 && typeof one.url !== 'string') errors.required(`${path}.url`);
  }
  if (type === 3) errors.list(`${path}.options`, one.options, 1, 25);
  if (!interactive) return;
  errors.text(`${path}.custom_id`, one.custom_id, 1, 100);
  if (seen.has(one.custom_id)) {
    errors.add(`${path}.custom_id`, 'COMPONENT_CUSTOM_ID_DUPLICATED', 'Component custom id cannot be duplicated');
  }
  seen.add(one.custom_id);
}

/** Checks a modal. @throws DiscordError 50035 */
export function validateModal(value: unknown): void {
  const errors = new FormErrors();
  const data = (value ?? {}) as Record<string, unknown>;
  errors.text('data.custom_id', data.custom_id, 1, 100);
  errors.text('data.title', data.title, 1, 45);
  const rows = errors.list('data.components', data.components, 1, 5);
  rows.forEach((row, index) => {
    if (row.type === 18) errors.text(`data.components.${index}.label`, row.label, 1, 45);
    for (const one of eachComponent(row)) {
      if (one.type === 1 || one.type === 18 || one.type === 10) continue;
      errors.text(`data.components.${index}.components.0.custom_id`, one.custom_id, 1, 100);
      if (one.type === 4 && row.type === 1)
        errors.text(`data.components.${index}.components.0.label`, one.label, 1, 45);
    }
  });
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

/** Of a deferred response's flags only EPHEMERAL counts. */
export function deferredFlags(data: unknown): number {
  const flags = (data as { flags?: unknown } | null | undefined)?.flags;
  return typeof flags === 'number' ? flags & EPHEMERAL : 0;
}
