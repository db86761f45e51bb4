import type { BotDefinition, BotManifest, DeferralOptions, DeferralRule } from './types.ts';

/** The type of a command that states none: a slash command. */
const CHAT_INPUT = 1;

/** The part of a bot that HTTP pods need, as plain data. */
export function manifestOf(bot: BotDefinition): BotManifest {
  const { commands = [], components = {}, modals = {} } = bot;
  const byName = new Map<string, DeferralRule>();
  const byType: Record<string, Record<string, DeferralRule>> = {};
  for (const { name, type = CHAT_INPUT, ...options } of commands) {
    const rule = ruleFrom(options, 5);
    byType[type] = { ...byType[type], [name]: rule };
    const namesake = byName.get(name);
    byName.set(name, namesake === undefined ? rule : moreCautious(namesake, rule));
  }
  return {
    name: bot.name,
    routes: bot.routes ?? [],
    commands: Object.fromEntries(byName),
    commandsByType: byType,
    components: mapValues(components, (handler) => ruleFrom(handler, handler.deferAs === 'reply' ? 5 : 6)),
    modals: mapValues(modals, (handler) => ruleFrom(handler, 5)),
  };
}

/** The command of this name and type, or undefined. @param type default: a slash command */
export function findCommand<Known extends { readonly name: string; readonly type?: number }>(
  commands: readonly Known[],
  name: string,
  type: number = CHAT_INPUT,
): Known | undefined {
  return commands.find((known) => known.name === name && (known.type ?? CHAT_INPUT) === type);
}

/**
 * The rule of a command, or undefined where the manifest has none.
 * @param manifest this pod's, or that of a pod of another version
 * @param type default: a slash command
 */
export function commandRule(
  { commands, commandsByType }: Partial<Pick<BotManifest, 'commands' | 'commandsByType'>>,
  name: string,
  type: number = CHAT_INPUT,
): DeferralRule | undefined {
  return entryOf(commandsByType === undefined ? commands : commandsByType[type], name);
}

/** The key of a component or modal in a bot's definition: its `custom_id` up to the first `:`. */
export function customIdKey(customId: string): string {
  const colon = customId.indexOf(':');
  return colon === -1 ? customId : customId.slice(0, colon);
}

/** The value of a key that comes from outside, or undefined. */
export const entryOf = <Value>(table: Readonly<Record<string, Value>> | undefined, key: string): Value | undefined =>
  table !== undefined && Object.hasOwn(table, key) ? table[key] : undefined;

const ruleFrom = (options: DeferralOptions, type: 5 | 6): DeferralRule => ({
  ephemeral: options.ephemeral ?? false,
  deferrable: options.deferrable ?? true,
  type,
});

/** Merges the rules of two commands into the more cautious one. */
const moreCautious = (one: DeferralRule, other: DeferralRule): DeferralRule => ({
  ephemeral: one.ephemeral || other.ephemeral,
  deferrable: one.deferrable && other.deferrable,
  type: one.type,
});

const mapValues = <V, R>(record: Readonly<Record<string, V>>, map: (value: V) => R): Record<string, R> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
