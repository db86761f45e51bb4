import type { Command, GuildwayField } from '../../bot/types.ts';

/** A command as sent to Discord, or as Discord lists it. */
export type CommandBody = Readonly<Record<string, unknown>>;

/** The type of the command that launches an application's Activity. There is at most one. */
export const ENTRY_POINT = 4;

/** Fields of a definition that are not part of its registration. */
const GUILDWAYS: Readonly<Record<GuildwayField, true>> = {
  ...{ run: true, autocomplete: true, after: true },
  ...{ ephemeral: true, deferrable: true },
};

/** Fields that Discord sets but does not accept. */
const READ_ONLY = new Set([
  ...['id', 'application_id', 'guild_id', 'version', 'name_localized', 'description_localized'],
  // Deprecated; see contextsOf.
  ...['dm_permission', 'default_permission'],
]);

/** Lists without a meaningful order. */
const SETS = new Set(['contexts', 'integration_types', 'channel_types']);

/** A command as Discord registers it, without handlers and without fields that only Guildway reads. */
export function registration(command: Command): CommandBody {
  return Object.fromEntries(
    Object.entries({ type: 1, ...command }).filter(
      ([key, value]) => !Object.hasOwn(GUILDWAYS, key) && value !== undefined,
    ),
  );
}

/** A registered command in the form that keeps it unchanged. */
export function unchanged(command: CommandBody): CommandBody {
  return Object.fromEntries(Object.entries(command).filter(([key, value]) => !READ_ONLY.has(key) && value !== null));
}

/** The unique key of a command within an application. */
export const keyOf = ({ type, name }: CommandBody): string => `${type ?? 1}:${name}`;

/**
 * Whether a registered command equals a definition. Discord lists defaults explicitly and definitions omit them, so both are
 * normalized first. A field that was removed from the definition is a difference.
 * @param integrationTypes of a command that declares none
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

/** The contexts of a command that names none: all, or guilds only if the older field says so. */
const contextsOf = ({ dm_permission: direct }: CommandBody): readonly number[] => (direct === false ? [0] : [0, 1, 2]);

/** The value without defaults, with sorted keys and sorted sets. */
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

/** No translations, no options, not required, no permissions. 0 is a value: the smallest number of an option. */
function isDefault(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === '';
}
