import type { APIApplicationCommandOption } from 'discord-api-types/v10';
import type { AttachmentInput, OptionValues } from './input.ts';
import type { Resolved } from './resolved.ts';

const ATTACHMENT = 11;

interface OptionJson {
  name: string;
  type: number;
  value?: unknown;
  options?: OptionJson[];
  focused?: true;
}

/** Builds options in Discord's form. Types come from the registered command; without one they are guessed from the values. */
export function buildOptions(
  values: OptionValues | undefined,
  definitions: readonly APIApplicationCommandOption[] | undefined,
  resolved: Resolved,
): OptionJson[] {
  if (values === undefined) return [];
  if (Array.isArray(values)) return values as unknown as OptionJson[];
  const options: OptionJson[] = [];
  for (const [name, value] of Object.entries(values as Record<string, unknown>)) {
    if (value === undefined || value === null) continue;
    const definition = definitions?.find((one) => one.name === name);
    const type = definition?.type ?? guessType(value);
    if (type <= 2) {
      const inner = (definition as { options?: APIApplicationCommandOption[] } | undefined)?.options;
      options.push({ name, type, options: buildOptions(value as OptionValues, inner, resolved) });
    } else if (type === ATTACHMENT) {
      options.push({ name, type, value: resolved.attachment(value as string | AttachmentInput) });
    } else {
      options.push({ name, type, value: convert(type, value) });
      resolve(type, String(value), resolved);
    }
  }
  return options;
}

/** Marks the focused option of an autocomplete. Discord sends it as text regardless of its type. */
export function focus(options: OptionJson[], name: string): OptionJson[] {
  let leaf = options;
  while (leaf[0] !== undefined && leaf[0].type <= 2) leaf = leaf[0].options ?? [];
  const option = leaf.find((one) => one.name === name);
  if (option === undefined) leaf.push({ name, type: 3, value: '', focused: true });
  else Object.assign(option, { value: String(option.value), focused: true });
  return options;
}

function guessType(value: unknown): number {
  if (typeof value === 'number') return Number.isInteger(value) ? 4 : 10;
  if (typeof value === 'boolean') return 5;
  if (typeof value === 'object' && value !== null) {
    if (typeof (value as { filename?: unknown }).filename === 'string') return ATTACHMENT;
    return Object.values(value).some((inner) => typeof inner === 'object' && inner !== null) ? 2 : 1;
  }
  return 3;
}

function convert(type: number, value: unknown): unknown {
  if (type === 4 || type === 10) return typeof value === 'number' ? value : Number(value);
  if (type === 5) return value === true || value === 'true';
  return String(value);
}

function resolve(type: number, id: string, resolved: Resolved): void {
  if (type === 6) resolved.user(id);
  else if (type === 7) resolved.channel(id);
  else if (type === 8) resolved.role(id);
  else if (type === 9) resolved.mentionable(id);
}
