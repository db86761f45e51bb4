import type { REST } from '@discordjs/rest';
import { Routes } from 'discord-api-types/v10';
import type { Bot } from '../../bot/define-bot.ts';
import type { Command } from '../../bot/types.ts';

/** A command as Discord registers it: without its handlers and without what only Guildway reads. */
export function registration(command: Command): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries({ type: 1, ...command }).filter(
      ([key, value]) => !['run', 'autocomplete', 'ephemeral', 'deferrable'].includes(key) && value !== undefined,
    ),
  );
}

/**
 * Registers the bot's commands, if Discord has others. Called by pod 0 only: it is one list for the whole bot.
 * @returns whether anything had to be changed
 * @throws what the REST client throws
 */
export async function registerCommands(rest: REST, applicationId: string, bot: Bot): Promise<boolean> {
  const wanted = (bot.commands ?? []).map(registration);
  const route = Routes.applicationCommands(applicationId);
  const present = (await rest.get(route, { query: new URLSearchParams({ with_localizations: 'true' }) })) as Record<
    string,
    unknown
  >[];
  const same =
    present.length === wanted.length &&
    wanted.every((command) => {
      const other = present.find(({ name, type }) => name === command.name && (type ?? 1) === command.type);
      return other !== undefined && isSame(other, command);
    });
  if (same) return false;
  await rest.put(route, { body: wanted });
  return true;
}

/** What Discord adds to a command, or fills in from the application's settings when it is left out. */
const DISCORDS_OWN = new Set([
  'id',
  'application_id',
  'guild_id',
  'version',
  'dm_permission',
  'default_permission',
  'integration_types',
  'contexts',
]);

/** Whether a command, or a part of one, is as `wanted`, apart from what Discord adds and from defaults that are spelt out or not. */
export function isSame(present: unknown, wanted: unknown): boolean {
  if (isDefault(wanted)) return isDefault(present);
  if (Array.isArray(wanted))
    return (
      Array.isArray(present) &&
      present.length === wanted.length &&
      wanted.every((value, i) => isSame(present[i], value))
    );
  if (typeof wanted === 'object' && wanted !== null) {
    if (typeof present !== 'object' || present === null || Array.isArray(present)) return false;
    const [has, wants] = [present as Record<string, unknown>, wanted as Record<string, unknown>];
    return [...new Set([...Object.keys(has), ...Object.keys(wants)])].every(
      (key) => (wants[key] === undefined && DISCORDS_OWN.has(key)) || isSame(has[key], wants[key]),
    );
  }
  return present === wanted;
}

/** Discord leaves out what has its default, or spells it out. A menu command's description is empty. */
function isDefault(value: unknown): boolean {
  return (
    value === undefined ||
    value === null ||
    value === false ||
    value === '' ||
    (Array.isArray(value) && value.length === 0)
  );
}
