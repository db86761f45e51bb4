import { GuildwayError } from '../errors.ts';
import { createRouteTable } from '../routing/route-table.ts';
import type { BotDefinition, BotManifest, DeferralOptions, DeferralRule } from './types.ts';

const BRAND = Symbol.for('guildway.bot');

/** A checked bot: what a bot module exports by default. */
export type Bot = BotDefinition & { readonly [BRAND]: true };

/**
 * Checks a bot's definition and makes it loadable.
 * @throws GuildwayError BOT_INVALID, naming what is wrong
 */
export function defineBot(definition: BotDefinition): Bot {
  const fail = (why: string): never => {
    throw new GuildwayError('BOT_INVALID', `bot ${JSON.stringify(definition.name)}: ${why}`);
  };
  if (typeof definition.name !== 'string' || definition.name === '') fail('a bot has a name');
  const seen = new Set<string>();
  for (const command of definition.commands ?? []) {
    if (seen.has(command.name)) fail(`two commands are named ${JSON.stringify(command.name)}`);
    seen.add(command.name);
    if (typeof command.run !== 'function') fail(`the command ${JSON.stringify(command.name)} has no run()`);
  }
  for (const key of [...Object.keys(definition.components ?? {}), ...Object.keys(definition.modals ?? {})]) {
    if (key === '' || key.includes(':'))
      fail(`${JSON.stringify(key)} cannot name a component or modal: it ends before the first ":"`);
  }
  for (const table of definition.tables ?? []) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(table)) fail(`${JSON.stringify(table)} is not the name of a table`);
    if (table.startsWith('guildway_')) fail(`${JSON.stringify(table)}: names that start with guildway_ are taken`);
  }
  for (const name of definition.sessionCookies ?? []) {
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) fail(`${JSON.stringify(name)} is not the name of a cookie`);
  }
  const { websocket } = definition;
  if (websocket !== undefined && typeof websocket.upgrade !== 'function') {
    fail('websocket has no upgrade(): it decides who may connect');
  }
  const maxPayload = websocket?.maxPayloadBytes ?? 1;
  if (!(Number.isInteger(maxPayload) && maxPayload > 0)) {
    fail(`websocket.maxPayloadBytes is ${maxPayload}; it must be a positive integer`);
  }
  createRouteTable(definition.routes ?? []);
  return Object.freeze({ ...definition, [BRAND]: true as const });
}

/** Whether a value came from {@link defineBot}, of this copy of the package or another. */
export function isBot(value: unknown): value is Bot {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[BRAND] === true;
}

/** The part of a bot that HTTP pods need, as plain data. */
export function manifestOf(bot: BotDefinition): BotManifest {
  const rule = (options: DeferralOptions, type: 5 | 6): DeferralRule => ({
    ephemeral: options.ephemeral ?? false,
    deferrable: options.deferrable ?? true,
    type,
  });
  const mapValues = <V, R>(record: Readonly<Record<string, V>>, map: (value: V) => R) =>
    Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
  return {
    name: bot.name,
    routes: bot.routes ?? [],
    commands: Object.fromEntries((bot.commands ?? []).map((command) => [command.name, rule(command, 5)])),
    components: mapValues(bot.components ?? {}, (handler) => rule(handler, handler.deferAs === 'reply' ? 5 : 6)),
    modals: mapValues(bot.modals ?? {}, (handler) => rule(handler, 5)),
  };
}

/** The key of a component or modal in a bot's definition: its `custom_id` up to the first `:`. */
export function customIdKey(customId: string): string {
  const colon = customId.indexOf(':');
  return colon === -1 ? customId : customId.slice(0, colon);
}
