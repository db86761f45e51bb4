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
  const present = (await rest.get(route)) as Record<string, unknown>[];
  const same =
    present.length === wanted.length &&
    wanted.every((command) => {
      const other = present.find(({ name, type }) => name === command.name && (type ?? 1) === command.type);
      return other !== undefined && includes(other, command);
    });
  if (same) return false;
  await rest.put(route, { body: wanted });
  return true;
}

/** Whether all that is `wanted` stands in `present`, which has defaults and ids of Discord's beside it. */
export function includes(present: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    const list = Array.isArray(present) ? present : [];
    return list.length === wanted.length && wanted.every((value, i) => includes(list[i], value));
  }
  if (typeof wanted === 'object' && wanted !== null) {
    if (typeof present !== 'object' || present === null) return false;
    const record = present as Record<string, unknown>;
    return Object.entries(wanted).every(
      ([key, value]) => isDefault(value, record[key]) || includes(record[key], value),
    );
  }
  return present === wanted;
}

/** Discord leaves out what has its default: false, or an empty list. */
function isDefault(wanted: unknown, present: unknown): boolean {
  if (present !== undefined && present !== null) return false;
  return wanted === undefined || wanted === null || wanted === false || (Array.isArray(wanted) && wanted.length === 0);
}
