/** Where and by which user an interaction happens. Omitted fields get the value that Discord's client would send. */
interface Place {
  /** Null for direct messages with the bot. Any guild id is valid, even if the bot is not in the guild. */
  readonly guildId: string | null;
  /** Default: the guild's first text channel. */
  readonly channelId?: string | undefined;
  /** Default: the guild's owner. Any user id is valid. */
  readonly userId?: string | undefined;
  /** The language of the user's client. Default en-US. */
  readonly locale?: string | undefined;
  /** Purchases of the user or the guild in the application. Default none. */
  readonly entitlements?: readonly object[] | undefined;
}

/** A file that a user attaches. */
export interface AttachmentInput {
  readonly filename: string;
  /** Default text/plain. */
  readonly contentType?: string | undefined;
  /** Default empty. */
  readonly content?: string | Uint8Array | undefined;
}

/**
 * Option values by name: `{ user: '123', reason: 'spam' }`. A subcommand is an object: `{ add: { user: '123' } }`. A file is an
 * {@link AttachmentInput} or its name.
 * Or a list of options in Discord's form.
 */
export type OptionValues = Readonly<Record<string, unknown>> | readonly Readonly<Record<string, unknown>>[];

export interface CommandInput extends Place {
  readonly name: string;
  readonly options?: OptionValues | undefined;
  /** 1 slash command, 2 user command, 3 message command. Default 1. */
  readonly type?: 1 | 2 | 3 | undefined;
  /** The target of a command of type 2 or 3: a user or a message. */
  readonly targetId?: string | undefined;
}

export interface AutocompleteInput extends Place {
  readonly name: string;
  readonly options?: OptionValues | undefined;
  /** The name of the focused option. */
  readonly focused: string;
}

export interface ComponentInput extends Omit<Place, 'guildId'> {
  /** Default: the guild of the message. */
  readonly guildId?: string | null | undefined;
  readonly messageId: string;
  readonly customId: string;
  /** The selected values of a select menu. */
  readonly values?: readonly string[] | undefined;
}

export type FieldInput = string | boolean | readonly (string | AttachmentInput)[];

export interface ModalInput extends Omit<Place, 'guildId'> {
  /** Default: the guild in which the modal was opened. */
  readonly guildId?: string | null | undefined;
  readonly customId: string;
  /**
   * Values by the custom id of each input: text, selected values, the state of a checkbox, files. Omitted inputs keep the defaults of
   * the modal.
   */
  readonly fields: Readonly<Record<string, FieldInput>>;
}

export type InteractionInput =
  | ({ readonly kind: 'command' } & CommandInput)
  | ({ readonly kind: 'autocomplete' } & AutocompleteInput)
  | ({ readonly kind: 'component' } & ComponentInput)
  | ({ readonly kind: 'modal' } & ModalInput);
