import type { Command } from '../../bot/types.ts';

/** A command as Discord takes it, or as Discord lists it. */
export type CommandBody = Readonly<Record<string, unknown>>;

/** The type of the command by which an application's Activity is launched; there is one at most. */
export const ENTRY_POINT = 4;

/** What a command's definition has beside its registration. */
const GUILDWAYS = new Set(['run', 'autocomplete', 'ephemeral', 'deferrable']);

/** Fields that Discord sets and does not accept. */
const READ_ONLY = new Set([
  ...['id', 'application_id', 'guild_id', 'version', 'name_localized', 'description_localized'],
  // Deprecated; see contextsOf.
  ...['dm_permission', 'default_permission'],
]);

/** Lists in which order says nothing. */
const SETS = new Set(['contexts', 'integration_types', 'channel_types']);

/** A command as Discord registers it: without its handlers and without what only Guildway reads. */
export function registration(command: Command): CommandBody {
  return Object.fromEntries(
    Object.entries({ type: 1, ...command }).filter(([key, value]) => !GUILDWAYS.has(key) && value !== undefined),
  );
}

/** A registered command as it is sent to stay as it is. */
export function unchanged(command: CommandBody): CommandBody {
  return Object.fromEntries(Object.entries(command).filter(([key, value]) => !READ_ONLY.has(key) && value !== null));
}

/** What is unique among an application's commands. */
export const keyOf = ({ type, name }: CommandBody): string => `${type ?? 1}:${name}`;

/**
 * Whether a command that is registered is as it is wanted. Discord spells defaults out, and a definition leaves them out: both are
 * brought into one form. A field that is no longer wanted is a difference.
 * @param integrationTypes those of a command that declares none
 */
export function isSame(registered: CommandBody, wanted: CommandBody, integrationTypes: readonly number[]): boolean {
  const [one, other] = [registered, wanted].map((command) => JSON.stringify(normalForm(command, integrationTypes)));
  return one === other;
}

function normalForm(command: CommandBody, integrationTypes: readonly number[]): unknown {
  const fields = Object.entries(command).filter(([key]) => !READ_ONLY.has(key));
  return withoutDefaults({
    ...Object.fromEntries(fields),
    type: command.type ?? 1,
    integration_types: command.integration_types ?? integrationTypes,
    contexts: command.contexts ?? contextsOf(command),
  });
}

/** The contexts of a command that names none: all, or guilds only, as definitions say it that are older than contexts. */
const contextsOf = ({ dm_permission: direct }: CommandBody): readonly number[] => (direct === false ? [0] : [0, 1, 2]);

/** The same value without what is a default, with the keys of its objects and the members of its sets in order. */
function withoutDefaults(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => withoutDefaults(item));
    return SETS.has(key) ? [...new Set(items)].toSorted() : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .map(([name, inner]) => [name, withoutDefaults(inner, name)] as const)
    .filter(([, inner]) => !isDefault(inner));
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** No translation, no option, not required, no permission asked for. 0 is a value: the smallest number that an option takes. */
function isDefault(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === '';
}
