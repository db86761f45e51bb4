/** Discord's JSON error codes that the simulator answers with. Source: "Opcodes and Status Codes", JSON. */
const MESSAGES = {
  0: 'General error',
  10003: 'Unknown Channel',
  10004: 'Unknown Guild',
  10007: 'Unknown Member',
  10008: 'Unknown Message',
  10011: 'Unknown Role',
  10013: 'Unknown User',
  10015: 'Unknown Webhook',
  10026: 'Unknown Ban',
  10062: 'Unknown interaction',
  10063: 'Unknown application command',
  30032: 'Maximum number of application commands reached (100)',
  40005: 'Request entity too large',
  40060: 'Interaction has already been acknowledged.',
  50001: 'Missing Access',
  50005: 'Cannot edit a message authored by another user',
  50006: 'Cannot send an empty message',
  50007: 'Cannot send messages to this user',
  50013: 'Missing Permissions',
  50027: 'Invalid Webhook Token',
  50035: 'Invalid Form Body',
  50109: 'The request body contains invalid JSON.',
} as const;

export type DiscordErrorCode = keyof typeof MESSAGES;

interface FieldError {
  readonly code: string;
  readonly message: string;
}

/** An error answer of Discord's REST API. */
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

/** Collects what is wrong with a form, by path (`embeds.0.title`), and throws all of it at once as 50035. */
export class FormErrors {
  readonly #errors = new Map<string, FieldError[]>();

  add(path: string, code: string, message: string): void {
    const list = this.#errors.get(path);
    if (list === undefined) this.#errors.set(path, [{ code, message }]);
    else list.push({ code, message });
  }

  required(path: string): void {
    this.add(path, 'BASE_TYPE_REQUIRED', 'This field is required');
  }

  /** Adds an error when `value` is not a string of `min` to `max` characters. */
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

  /** Adds an error when `value` is not a list of `min` to `max` entries. @returns the list, empty where it is none */
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

  /** @throws DiscordError 50035 when anything was added */
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
