import { GuildwayError } from '../errors.ts';
import { createRouteTable } from '../routing/route-table.ts';
import { findCronProblem } from './cron.ts';
import { type AnyJobHandler, findJobProblem } from './jobs.ts';
import { findCommand } from './manifest.ts';
import { declaredTables } from './tables.ts';
import type { BotDefinition, Command } from './types.ts';

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
  const seen: Command[] = [];
  for (const command of definition.commands ?? []) {
    if (findCommand(seen, command.name, command.type) !== undefined)
      fail(`two commands of type ${command.type ?? 1} are named ${JSON.stringify(command.name)}`);
    seen.push(command);
    if (typeof command.run !== 'function') fail(`the command ${JSON.stringify(command.name)} has no run()`);
  }
  for (const key of [...Object.keys(definition.components ?? {}), ...Object.keys(definition.modals ?? {})]) {
    if (key === '' || key.includes(':'))
      fail(`${JSON.stringify(key)} cannot name a component or modal: it ends before the first ":"`);
  }
  try {
    declaredTables(definition);
  } catch (error) {
    fail((error as Error).message);
  }
  for (const [name, job] of Object.entries(definition.jobs ?? {})) {
    const wrong = findJobProblem('job', name, job as AnyJobHandler);
    if (wrong !== null) fail(wrong);
  }
  for (const [name, job] of Object.entries(definition.cron ?? {})) {
    const wrong = findJobProblem('cron job', name, job) ?? findCronProblem(name, job);
    if (wrong !== null) fail(wrong);
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
