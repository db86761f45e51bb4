import type { REST } from '@discordjs/rest';
import { Routes } from 'discord-api-types/v10';
import { type CommandBody, ENTRY_POINT, isSame, keyOf, unchanged } from './command-form.ts';

/** The default if neither the command nor the application declares where it can be installed: guilds. */
const GUILD_INSTALL = 0;

/**
 * Replaces the application's commands if they differ. Discord rejects a list without the Entry Point command, so that one is
 * preserved unchanged.
 * @param guildId registers them in this guild alone; the others stay. Null: everywhere
 * @returns whether anything was changed
 * @throws the errors of the REST client
 */
export async function registerCommands(
  rest: REST,
  applicationId: string,
  given: readonly CommandBody[],
  guildId: string | null = null,
): Promise<boolean> {
  const wanted = guildId === null ? given : given.filter(({ type }) => type !== ENTRY_POINT).map(forGuild);
  const route =
    guildId === null
      ? Routes.applicationCommands(applicationId)
      : Routes.applicationGuildCommands(applicationId, guildId);
  const query = new URLSearchParams({ with_localizations: 'true' });
  const registered = (await rest.get(route, { query })) as CommandBody[];
  const replacesEntryPoint = wanted.some(({ type }) => type === ENTRY_POINT);
  const preserved = registered.filter(({ type }) => type === ENTRY_POINT && !replacesEntryPoint);
  const others = new Map(
    registered.filter((command) => !preserved.includes(command)).map((each) => [keyOf(each), each]),
  );
  if (others.size === wanted.length) {
    const integrationTypes = await defaultIntegrationTypes(rest, wanted);
    const isRegistered = (command: CommandBody): boolean => {
      const other = others.get(keyOf(command));
      return other !== undefined && isSame(other, command, integrationTypes);
    };
    if (wanted.every(isRegistered)) return false;
  }
  await rest.put(route, { body: [...wanted, ...preserved.map(unchanged)] });
  return true;
}

/** A command without what only those have that are registered everywhere. */
function forGuild(command: CommandBody): CommandBody {
  const { contexts: _, integration_types: __, dm_permission: ___, ...rest } = command;
  return rest;
}

/** Where a command can be installed if it does not say so: as set in the developer portal. */
async function defaultIntegrationTypes(rest: REST, wanted: readonly CommandBody[]): Promise<readonly number[]> {
  if (wanted.every(({ integration_types: types }) => Array.isArray(types))) return [];
  const application = (await rest.get(Routes.currentApplication())) as {
    readonly integration_types_config?: Readonly<Record<string, unknown>> | null;
  };
  const types = Object.keys(application.integration_types_config ?? {}).map(Number);
  return types.length === 0 ? [GUILD_INSTALL] : types;
}
