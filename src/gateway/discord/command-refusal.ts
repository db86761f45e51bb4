import type { DiscordAPIError } from '@discordjs/rest';
import type { CommandBody } from './command-form.ts';

/** The most reasons that are listed. The rest is counted. */
const MAX_REASONS = 10;

/**
 * Discord's reasons for rejecting a list of commands, in one line: command, field and error.
 * @param sent the commands in the order in which they were sent, because Discord identifies them by index
 */
export function refusalReasons({ rawError, code, status }: DiscordAPIError, sent: readonly CommandBody[]): string {
  const { message = '', errors } = rawError as { readonly message?: string; readonly errors?: unknown };
  const reasons = flatten(errors, []).map(({ path: [first = '', ...rest], text }) => {
    const command = /^\d+$/.test(first) ? sent[Number(first)] : undefined;
    const where = [command === undefined ? first : JSON.stringify(command.name), ...rest].filter((part) => part !== '');
    return where.length === 0 ? text : `${where.join('.')}: ${text}`;
  });
  const named = reasons.slice(0, MAX_REASONS).join('; ');
  const more = reasons.length > MAX_REASONS ? `; and ${reasons.length - MAX_REASONS} more` : '';
  return `${message} (${status}, code ${code})${named === '' ? '' : `: ${named}${more}`}`;
}

/** Discord's error object. Its fields nest like the request's; `_errors` lists the errors of the field that contains it. */
function flatten(
  errors: unknown,
  path: readonly string[],
): { readonly path: readonly string[]; readonly text: string }[] {
  if (typeof errors !== 'object' || errors === null) return [];
  return Object.entries(errors).flatMap(([key, inner]) => {
    if (key !== '_errors') return flatten(inner, [...path, key]);
    const list = (Array.isArray(inner) ? inner : []) as { readonly message?: unknown }[];
    return list.map(({ message }) => ({ path, text: String(message) }));
  });
}
