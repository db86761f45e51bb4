import type { REST } from '@discordjs/rest';
import { Routes } from 'discord-api-types/v10';
import { type CommandBody, ENTRY_POINT, isSame, keyOf, unchanged } from './command-form.ts';

/** Where a command can be installed that does not say so, in an application that does not say so either: in guilds. */
const GUILD_INSTALL = 0;

/**
 * Replaces the application's commands, if Discord has others. An Entry Point command is not the bot's, but Discord refuses a list
 * without it: it stays as it is.
 * @returns whether anything had to be changed
 * @throws what the REST client throws
 */
export async function registerCommands(
  rest: REST,
  applicationId: string,
  wanted: readonly CommandBody[],
): Promise<boolean> {
  const route = Routes.applicationCommands(applicationId);
  const query = new URLSearchParams({ with_localizations: 'true' });
  const registered = (await rest.get(route, { query })) as CommandBody[];
  const replacesEntryPoint = wanted.some(({ type }) => type === ENTRY_POINT);
  const kept = registered.filter(({ type }) => type === ENTRY_POINT && !replacesEntryPoint);
  const others = new Map(registered.filter((command) => !kept.includes(command)).map((each) => [keyOf(each), each]));
  if (others.size === wanted.length) {
    const integrationTypes = await defaultIntegrationTypes(rest, wanted);
    const isRegistered = (command: CommandBody): boolean => {
      const other = others.get(keyOf(command));
      return other !== undefined && isSame(other, command, integrationTypes);
    };
    if (wanted.every(isRegistered)) return false;
  }
  await rest.put(route, { body: [...wanted, ...kept.map(unchanged)] });
  return true;
}

/** Where a command can be installed that does not say so: as the application's settings in the developer portal say. */
async function defaultIntegrationTypes(rest: REST, wanted: readonly CommandBody[]): Promise<readonly number[]> {
  if (wanted.every(({ integration_types: types }) => Array.isArray(types))) return [];
  const application = (await rest.get(Routes.currentApplication())) as {
    readonly integration_types_config?: Readonly<Record<string, unknown>> | null;
  };
  const types = Object.keys(application.integration_types_config ?? {}).map(Number);
  return types.length === 0 ? [GUILD_INSTALL] : types;
}
