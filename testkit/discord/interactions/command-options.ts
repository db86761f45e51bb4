import type { APIApplicationCommandOption } from 'discord-api-types/v10';
import type { StoredMessage } from '../store/messages.ts';
import type { SimulatedGuild } from '../world/guild.ts';
import { memberPermissions } from '../world/permissions.ts';
import type { World } from '../world/world.ts';
import type { OptionValues } from './input.ts';

interface OptionJson {
  name: string;
  type: number;
  value?: unknown;
  options?: OptionJson[];
  focused?: true;
}

/** The objects that ids in options, targets and select menus stand for, collected as they are met. */
export class Resolved {
  readonly #world: World;
  readonly #guild: SimulatedGuild | null;
  readonly #found: Record<string, Record<string, unknown>> = {};

  constructor(world: World, guild: SimulatedGuild | null) {
    this.#world = world;
    this.#guild = guild;
  }

  user(id: string): void {
    this.#put('users', id, this.#world.user(id));
    const member = this.#guild?.members.get(id);
    if (this.#guild === null || member === undefined) return;
    const { user: _user, deaf: _deaf, mute: _mute, ...partial } = member;
    this.#put('members', id, { ...partial, permissions: memberPermissions(this.#guild, id).toString() });
  }

  channel(id: string): void {
    const channel = this.#guild?.channels.find((one) => one.id === id);
    if (channel !== undefined) this.#put('channels', id, { ...channel, permissions: '0' });
  }

  role(id: string): void {
    const role = this.#guild?.roles.find((one) => one.id === id);
    if (role !== undefined) this.#put('roles', id, role);
  }

  message(stored: StoredMessage): void {
    this.#put('messages', stored.message.id, stored.message);
  }

  mentionable(id: string): void {
    if (this.#guild?.roles.some((role) => role.id === id)) this.role(id);
    else this.user(id);
  }

  /** `{ resolved }`, or nothing when there is nothing in it. */
  toJSON(): { resolved?: object } {
    return Object.keys(this.#found).length === 0 ? {} : { resolved: this.#found };
  }

  #put(kind: string, id: string, value: unknown): void {
    this.#found[kind] ??= {};
    this.#found[kind][id] = value;
  }
}

/** Options as Discord writes them, with the types of the registered command, or else guessed from the values. */
export function buildOptions(
  values: OptionValues | undefined,
  definitions: readonly APIApplicationCommandOption[] | undefined,
  resolved: Resolved,
): OptionJson[] {
  if (values === undefined) return [];
  if (Array.isArray(values)) return values as unknown as OptionJson[];
  const options: OptionJson[] = [];
  for (const [name, value] of Object.entries(values as Record<string, unknown>)) {
    if (value === undefined || value === null) continue;
    const definition = definitions?.find((one) => one.name === name);
    const type = definition?.type ?? guessType(value);
    if (type <= 2) {
      const inner = (definition as { options?: APIApplicationCommandOption[] } | undefined)?.options;
      options.push({ name, type, options: buildOptions(value as OptionValues, inner, resolved) });
    } else {
      options.push({ name, type, value: convert(type, value) });
      resolve(type, String(value), resolved);
    }
  }
  return options;
}

/** Marks the option that is being typed; Discord sends it as text whatever its type is. */
export function focus(options: OptionJson[], name: string): OptionJson[] {
  let leaf = options;
  while (leaf[0] !== undefined && leaf[0].type <= 2) leaf = leaf[0].options ?? [];
  const option = leaf.find((one) => one.name === name);
  if (option === undefined) leaf.push({ name, type: 3, value: '', focused: true });
  else Object.assign(option, { value: String(option.value), focused: true });
  return options;
}

function guessType(value: unknown): number {
  if (typeof value === 'number') return Number.isInteger(value) ? 4 : 10;
  if (typeof value === 'boolean') return 5;
  if (typeof value === 'object' && value !== null) {
    return Object.values(value).some((inner) => typeof inner === 'object' && inner !== null) ? 2 : 1;
  }
  return 3;
}

function convert(type: number, value: unknown): unknown {
  if (type === 4 || type === 10) return typeof value === 'number' ? value : Number(value);
  if (type === 5) return value === true || value === 'true';
  return String(value);
}

function resolve(type: number, id: string, resolved: Resolved): void {
  if (type === 6) resolved.user(id);
  else if (type === 7) resolved.channel(id);
  else if (type === 8) resolved.role(id);
  else if (type === 9) resolved.mentionable(id);
}
