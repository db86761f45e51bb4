import type {
  APIApplicationCommandAutocompleteInteraction,
  APIChatInputApplicationCommandInteraction,
} from 'discord-api-types/v10';

type Value = string | number | boolean;
type Given = {
  readonly name: string;
  readonly value?: Value;
  readonly focused?: boolean;
  readonly options?: readonly Given[];
};

/** The options of a slash command, flattened. */
export interface CommandOptions {
  /** `group subcommand`, `subcommand`, or null for a command without any. */
  readonly subcommand: string | null;
  /** The option that is being typed (autocomplete), or null. */
  readonly focused: { readonly name: string; readonly value: string } | null;
  /** Values by name; users, roles and channels are ids. */
  readonly values: Readonly<Record<string, Value>>;
  string(name: string): string | null;
  number(name: string): number | null;
  boolean(name: string): boolean | null;
}

/** Reads the options of a slash command or of its autocomplete. */
export function optionsOf(
  interaction: APIChatInputApplicationCommandInteraction | APIApplicationCommandAutocompleteInteraction,
): CommandOptions {
  let given: readonly Given[] = (interaction.data.options ?? []) as readonly Given[];
  const path: string[] = [];
  while (given.length === 1 && given[0]?.value === undefined) {
    path.push((given[0] as Given).name);
    given = (given[0] as Given).options ?? [];
  }
  const values = Object.fromEntries(given.map((option) => [option.name, option.value as Value]));
  const focused = given.find((option) => option.focused === true);
  const typed = <T extends Value>(name: string, type: string): T | null => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    return typeof value === type ? (value as T) : null;
  };
  return {
    subcommand: path.length === 0 ? null : path.join(' '),
    focused: focused === undefined ? null : { name: focused.name, value: String(focused.value ?? '') },
    values,
    string: (name) => typed<string>(name, 'string'),
    number: (name) => typed<number>(name, 'number'),
    boolean: (name) => typed<boolean>(name, 'boolean'),
  };
}
