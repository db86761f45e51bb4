/** What a person does, as tests and the console say it. Everything that is left out is chosen as Discord's client would. */
interface Place {
  /** Null: in the direct messages with the bot. Any guild id may be given, also of one that the bot is not in. */
  readonly guildId: string | null;
  /** Default: the guild's first text channel. */
  readonly channelId?: string | undefined;
  /** Default: the guild's owner. Anybody may be named. */
  readonly userId?: string | undefined;
  /** The language of the user's client. Default en-US. */
  readonly locale?: string | undefined;
  /** What the user or the guild has bought of the application. Default nothing. */
  readonly entitlements?: readonly object[] | undefined;
}

/** A file that somebody attaches. */
export interface AttachmentInput {
  readonly filename: string;
  /** Default text/plain. */
  readonly contentType?: string | undefined;
  /** Default empty. */
  readonly content?: string | Uint8Array | undefined;
}

/**
 * Option values by name, `{ user: '123', reason: 'spam' }`; a subcommand is an object: `{ add: { user: '123' } }`, and a
 * file an {@link AttachmentInput} or its name.
 * Or the options as Discord writes them.
 */
export type OptionValues = Readonly<Record<string, unknown>> | readonly Readonly<Record<string, unknown>>[];

export interface CommandInput extends Place {
  readonly name: string;
  readonly options?: OptionValues | undefined;
  /** 1 slash command, 2 user command, 3 message command. Default 1. */
  readonly type?: 1 | 2 | 3 | undefined;
  /** The user or message that a command of type 2 or 3 is used on. */
  readonly targetId?: string | undefined;
}

export interface AutocompleteInput extends Place {
  readonly name: string;
  readonly options?: OptionValues | undefined;
  /** The option that is being typed. */
  readonly focused: string;
}

export interface ComponentInput extends Omit<Place, 'guildId'> {
  /** Default: the message's. */
  readonly guildId?: string | null | undefined;
  readonly messageId: string;
  readonly customId: string;
  /** What was selected in a select menu. */
  readonly values?: readonly string[] | undefined;
}

export type FieldInput = string | boolean | readonly (string | AttachmentInput)[];

export interface ModalInput extends Omit<Place, 'guildId'> {
  /** Default: where it was opened. */
  readonly guildId?: string | null | undefined;
  readonly customId: string;
  /**
   * By the custom id of each input: text, what was selected, whether a checkbox is checked, files. What is left out stays as the
   * modal has it.
   */
  readonly fields: Readonly<Record<string, FieldInput>>;
}

export type InteractionInput =
  | ({ readonly kind: 'command' } & CommandInput)
  | ({ readonly kind: 'autocomplete' } & AutocompleteInput)
  | ({ readonly kind: 'component' } & ComponentInput)
  | ({ readonly kind: 'modal' } & ModalInput);
