import type { APIApplicationCommand, APIApplicationCommandOption } from 'discord-api-types/v10';
import { DiscordError, FormErrors } from '../rest/errors.ts';
import type { SnowflakeSource } from '../snowflake.ts';

const CHAT_INPUT_NAME = /^[-_'\p{L}\p{N}\p{sc=Deva}\p{sc=Thai}]{1,32}$/u;
/** The Entry Point command, which launches the application's Activity. An application has at most one. */
const ENTRY_POINT = 4;
const LIMITS: Readonly<Record<number, number>> = { 1: 100, 2: 15, 3: 15, 4: 1 };

/** Application commands as registered, global and by guild. */
export class CommandStore {
  readonly #ids: SnowflakeSource;
  readonly #applicationId: string;
  readonly #onChange: (guildId: string | null, count: number) => void;
  /** By guild, '' for global ones; then by id. */
  readonly #scopes = new Map<string, Map<string, APIApplicationCommand>>();

  constructor(ids: SnowflakeSource, applicationId: string, onChange: (guildId: string | null, count: number) => void) {
    this.#ids = ids;
    this.#applicationId = applicationId;
    this.#onChange = onChange;
  }

  /** The commands that are registered for this guild; for null, the global ones. */
  list(guildId: string | null): APIApplicationCommand[] {
    return [...this.#scope(guildId).values()];
  }

  /** The commands available in a guild. Guild commands take precedence over global ones of the same name. */
  available(guildId: string | null): APIApplicationCommand[] {
    const found = new Map<string, APIApplicationCommand>();
    for (const command of this.list(null)) found.set(`${command.type}:${command.name}`, command);
    if (guildId !== null) {
      for (const command of this.list(guildId)) found.set(`${command.type}:${command.name}`, command);
    }
    return [...found.values()];
  }

  find(guildId: string | null, type: number, name: string): APIApplicationCommand | undefined {
    const isIt = (command: APIApplicationCommand) => command.type === type && command.name === name;
    return (guildId === null ? undefined : this.list(guildId).find(isIt)) ?? this.list(null).find(isIt);
  }

  /** @throws DiscordError 10063 */
  get(guildId: string | null, id: string): APIApplicationCommand {
    const command = this.#scope(guildId).get(id);
    if (command === undefined) throw new DiscordError(404, 10063);
    return command;
  }

  /** Replaces all of a scope's commands. Commands that keep name and type keep their id. */
  replaceAll(guildId: string | null, bodies: unknown): APIApplicationCommand[] {
    if (!Array.isArray(bodies)) throw new DiscordError(400, 50035);
    const errors = new FormErrors();
    bodies.forEach((body, index) => {
      checkCommand(errors, `${index}.`, body);
    });
    errors.throwIfAny();
    checkUnique(bodies as Record<string, unknown>[]);
    const names = (body: unknown): boolean => (body as { type?: unknown }).type === ENTRY_POINT;
    if (this.list(guildId).some(names) && !bodies.some(names)) throw new DiscordError(400, 50240);
    const next = new Map<string, APIApplicationCommand>();
    for (const body of bodies) {
      const command = this.#build(guildId, body as Record<string, unknown>);
      next.set(command.id, command);
    }
    checkCounts(next.values());
    this.#scopes.set(guildId ?? '', next);
    this.#onChange(guildId, next.size);
    return [...next.values()];
  }

  /** Creates a command or replaces the one with the same name and type. */
  upsert(guildId: string | null, body: unknown): { command: APIApplicationCommand; created: boolean } {
    const errors = new FormErrors();
    checkCommand(errors, '', body);
    errors.throwIfAny();
    const command = this.#build(guildId, body as Record<string, unknown>);
    const scope = this.#scope(guildId);
    const created = !scope.has(command.id);
    checkCounts([...scope.values(), ...(created ? [command] : [])]);
    scope.set(command.id, command);
    this.#onChange(guildId, scope.size);
    return { command, created };
  }

  edit(guildId: string | null, id: string, patch: Record<string, unknown>): APIApplicationCommand {
    const merged = { ...this.get(guildId, id), ...patch };
    const errors = new FormErrors();
    checkCommand(errors, '', merged);
    errors.throwIfAny();
    const edited = { ...merged, version: this.#ids.next() } as APIApplicationCommand;
    this.#scope(guildId).set(id, edited);
    this.#onChange(guildId, this.#scope(guildId).size);
    return edited;
  }

  delete(guildId: string | null, id: string): void {
    this.get(guildId, id);
    this.#scope(guildId).delete(id);
    this.#onChange(guildId, this.#scope(guildId).size);
  }

  #scope(guildId: string | null): Map<string, APIApplicationCommand> {
    let scope = this.#scopes.get(guildId ?? '');
    if (scope === undefined) {
      scope = new Map();
      this.#scopes.set(guildId ?? '', scope);
    }
    return scope;
  }

  #build(guildId: string | null, body: Record<string, unknown>): APIApplicationCommand {
    const type = (body.type as number | undefined) ?? 1;
    const existing = this.list(guildId).find((command) => command.type === type && command.name === body.name);
    return {
      description: '',
      default_member_permissions: null,
      dm_permission: true,
      nsfw: false,
      integration_types: [0],
      contexts: null,
      ...body,
      id: existing?.id ?? this.#ids.next(),
      application_id: this.#applicationId,
      type,
      version: this.#ids.next(),
      ...(guildId === null ? {} : { guild_id: guildId }),
    } as unknown as APIApplicationCommand;
  }
}

/** Names are unique per type. @throws DiscordError 50035 */
function checkUnique(bodies: readonly Record<string, unknown>[]): void {
  const errors = new FormErrors();
  const seen = new Set<string>();
  bodies.forEach(({ type, name }, index) => {
    const key = `${type ?? 1}:${name}`;
    if (seen.has(key)) {
      errors.add(String(index), 'APPLICATION_COMMANDS_DUPLICATE_NAME', 'Application command names must be unique');
    }
    seen.add(key);
  });
  errors.throwIfAny();
}

function checkCounts(commands: Iterable<APIApplicationCommand>): void {
  const counts = new Map<number, number>();
  for (const { type } of commands) counts.set(type, (counts.get(type) ?? 0) + 1);
  for (const [type, count] of counts) {
    if (count > (LIMITS[type] ?? 100)) throw new DiscordError(400, 30032);
  }
}

function checkCommand(errors: FormErrors, path: string, body: unknown): void {
  const command = (body ?? {}) as Record<string, unknown>;
  const chatInput = (command.type ?? 1) === 1;
  checkName(errors, `${path}name`, command.name, chatInput);
  if (chatInput) errors.text(`${path}description`, command.description, 1, 100);
  else if (command.description) {
    errors.add(
      `${path}description`,
      'APPLICATION_COMMAND_INVALID_DESCRIPTION',
      'Context menu commands cannot have description',
    );
  }
  checkOptions(errors, `${path}options`, command.options, 0);
}

function checkName(errors: FormErrors, path: string, name: unknown, chatInput: boolean): void {
  errors.text(path, name, 1, 32);
  if (!chatInput || typeof name !== 'string') return;
  if (!CHAT_INPUT_NAME.test(name) || name !== name.toLowerCase()) {
    errors.add(path, 'APPLICATION_COMMAND_INVALID_NAME', 'Command name is invalid');
  }
}

function checkOptions(errors: FormErrors, path: string, value: unknown, depth: number): void {
  let optionalSeen = false;
  const names = new Set<unknown>();
  errors.list(path, value, 0, 25).forEach((raw, index) => {
    const option = raw as unknown as APIApplicationCommandOption & Record<string, unknown>;
    const at = `${path}.${index}`;
    checkName(errors, `${at}.name`, option.name, true);
    errors.text(`${at}.description`, option.description, 1, 100);
    if (names.has(option.name)) {
      errors.add(`${at}.name`, 'APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS', 'Option name already exists');
    }
    names.add(option.name);
    if (!Number.isInteger(option.type) || option.type < 1 || option.type > 11) {
      errors.add(`${at}.type`, 'BASE_TYPE_CHOICES', 'Value must be one of {1, …, 11}.');
    }
    if (option.required !== true) optionalSeen = true;
    else if (optionalSeen) {
      errors.add(
        at,
        'APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID',
        'Required options must be placed before non-required options',
      );
    }
    if (option.autocomplete === true && Array.isArray(option.choices) && option.choices.length > 0) {
      errors.add(
        `${at}.autocomplete`,
        'APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE',
        'Cannot have both choices and autocomplete',
      );
    }
    errors.list(`${at}.choices`, option.choices, 0, 25);
    if (option.type <= 2 && depth < 2) checkOptions(errors, `${at}.options`, option.options, depth + 1);
  });
}
