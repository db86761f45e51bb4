/** The JSON error codes that the simulator uses. Source: Discord's "Opcodes and Status Codes", JSON. */
const MESSAGES = {
  0: 'General error',
  10003: 'Unknown Channel',
  10004: 'Unknown Guild',
  10007: 'Unknown Member',
  10006: 'Unknown Invite',
  10008: 'Unknown Message',
  10009: 'Unknown Permission Overwrite',
  10011: 'Unknown Role',
  10013: 'Unknown User',
  10014: 'Unknown Emoji',
  10015: 'Unknown Webhook',
  10026: 'Unknown Ban',
  10060: 'Unknown sticker',
  10062: 'Unknown interaction',
  10063: 'Unknown application command',
  10065: 'Unknown Voice State',
  30032: 'Maximum number of application commands reached (100)',
  30003: 'Maximum number of pins reached for the channel (250)',
  30010: 'Maximum number of reactions reached (20)',
  30013: 'Maximum number of guild channels reached (500)',
  30005: 'Maximum number of guild roles reached (250)',
  40005: 'Request entity too large',
  40032: 'Target user is not connected to voice.',
  40060: 'Interaction has already been acknowledged.',
  40058: 'Cannot send a message in a forum channel',
  50001: 'Missing Access',
  50005: 'Cannot edit a message authored by another user',
  50006: 'Cannot send an empty message',
  50007: 'Cannot send messages to this user',
  50013: 'Missing Permissions',
  50027: 'Invalid Webhook Token',
  50016: 'Provided too few or too many messages to delete. Must provide at least 2 and at most 100 messages to delete.',
  50024: 'Cannot execute action on this channel type',
  50025: 'Invalid OAuth2 access token provided',
  50028: 'Invalid Role',
  50034: 'A message provided was too old to bulk delete.',
  50035: 'Invalid Form Body',
  50083: 'Thread is archived',
  50109: 'The request body contains invalid JSON.',
  160002: 'Cannot reply without permission to read message history',
  160004: 'A thread has already been created for this message',
  50240:
    "You cannot remove this app's Entry Point command in a bulk update operation. Please include the Entry Point command in your update request or delete it separately.",
} as const;

export type DiscordErrorCode = keyof typeof MESSAGES;

interface FieldError {
  readonly code: string;
  readonly message: string;
}

/** An error response of Discord's REST API. */
export class DiscordError extends Error {
  override readonly name = 'DiscordError';
  readonly status: number;
  readonly code: DiscordErrorCode;
  readonly body: Readonly<Record<string, unknown>>;

  constructor(status: number, code: DiscordErrorCode, facts: { message?: string; errors?: unknown } = {}) {
    const message = facts.message ?? MESSAGES[code];
    super(`${status} ${code} ${message}`);
    this.status = status;
    this.code = code;
    this.body = { message, code, ...(facts.errors === undefined ? {} : { errors: facts.errors }) };
  }
}

/** Collects the errors of a form by path (`embeds.0.title`) and throws them together as 50035. */
export class FormErrors {
  readonly #errors = new Map<string, FieldError[]>();
  readonly #prefix: string;

  /** @param prefix of every path */
  constructor(prefix = '') {
    this.#prefix = prefix;
  }

  add(at: string, code: string, message: string): void {
    const path = this.#prefix + at;
    const list = this.#errors.get(path);
    if (list === undefined) this.#errors.set(path, [{ code, message }]);
    else list.push({ code, message });
  }

  required(path: string): void {
    this.add(path, 'BASE_TYPE_REQUIRED', 'This field is required');
  }

  /** Adds an error if `value` is not a string of `min` to `max` characters. */
  text(path: string, value: unknown, min: number, max: number): void {
    if (value === undefined || value === null) {
      if (min > 0) this.required(path);
    } else if (typeof value !== 'string') {
      this.add(path, 'STRING_TYPE_CONVERT', 'Could not interpret value as string.');
    } else if ([...value].length > max) {
      this.add(path, 'BASE_TYPE_BAD_LENGTH', `Must be between ${min} and ${max} in length.`);
    } else if (value.length < min) {
      this.add(path, 'BASE_TYPE_BAD_LENGTH', `Must be between ${min} and ${max} in length.`);
    }
  }

  /** Adds an error if `value` is not a list of `min` to `max` entries. @returns the list, or an empty list for other values */
  list(path: string, value: unknown, min: number, max: number): readonly Record<string, unknown>[] {
    if (value === undefined || value === null) {
      if (min > 0) this.required(path);
      return [];
    }
    if (!Array.isArray(value)) {
      this.add(path, 'LIST_TYPE_CONVERT', 'Only iterables may be used in a ListType');
      return [];
    }
    if (value.length < min || value.length > max) {
      this.add(path, 'BASE_TYPE_BAD_LENGTH', `Must be between ${min} and ${max} in length.`);
    }
    return value.map((one) => (one !== null && typeof one === 'object' ? (one as Record<string, unknown>) : {}));
  }

  /** @throws DiscordError 50035 if there are errors */
  throwIfAny(): void {
    if (this.#errors.size === 0) return;
    const tree: Record<string, unknown> = {};
    for (const [path, errors] of this.#errors) {
      let node = tree;
      for (const part of path.split('.')) {
        node[part] ??= {};
        node = node[part] as Record<string, unknown>;
      }
      node._errors = errors;
    }
    throw new DiscordError(400, 50035, { errors: tree });
  }
}
