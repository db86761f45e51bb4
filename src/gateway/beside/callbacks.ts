import type { APIInteractionResponse } from 'discord-api-types/v10';
import { type Duration, elapsed, type MonotonicTime, monotonicNow } from '../../time.ts';

/**
 * What the bot did with an interaction that was handed to it.
 * - `response`: its first response, which goes back to Discord with the answer to the interaction
 * - `at-discord`: it responded by Discord's REST API, because the response has files or the bot wants the message
 */
export type BotAnswer =
  | { readonly kind: 'response'; readonly response: APIInteractionResponse }
  | { readonly kind: 'at-discord' };

/** The bot ended, or lost its session, after an interaction was handed to it: nobody knows what it did. */
export class BotGone extends Error {
  constructor() {
    super('the bot ended before it responded');
  }
}

/** How long a webhook may answer that it is unknown, because the first response is still on its way to Discord. */
const EARLY_MS: Duration = 5_000;
/** How long the bot's call waits for the response to leave. */
const HOLD_MS: Duration = 3_000;
/** Interactions that are remembered after their response. */
const MAX_ANSWERED = 4_096;

/** Discord takes no response after the life of the interaction's token. */
const TOKEN_LIFE_MS: Duration = 15 * 60_000;

interface Open {
  readonly timer: NodeJS.Timeout;
  readonly resolve: (answer: BotAnswer) => void;
  readonly reject: (error: Error) => void;
}

interface Answered {
  readonly at: MonotonicTime;
  /** Resolves when the response has left the pod. */
  readonly left: PromiseWithResolvers<void>;
}

/** The interactions that were handed to the bot, by id, and their first responses. */
export class Callbacks {
  readonly #open = new Map<string, Open>();
  readonly #answered = new Map<string, Answered>();
  /** By the interaction's token, which its follow-ups carry. */
  readonly #tokens = new Map<string, MonotonicTime>();

  /** Interactions whose response the bot owes. */
  get open(): number {
    return this.#open.size;
  }

  /** Resolves with the bot's first response. @throws BotGone */
  expect(id: string): Promise<BotAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<BotAnswer>();
    const timer = setTimeout(() => {
      this.#open.delete(id);
      reject(new BotGone());
    }, TOKEN_LIFE_MS).unref();
    this.#open.set(id, { timer, resolve, reject });
    return promise;
  }

  /**
   * - `open`: the pod waits for it
   * - `answered`: the bot has responded already
   * - `unknown`: it did not come through this pod, or long ago
   */
  stateOf(id: string): 'open' | 'answered' | 'unknown' {
    if (this.#open.has(id)) return 'open';
    return this.#answered.has(id) ? 'answered' : 'unknown';
  }

  /**
   * Takes the bot's first response.
   * @returns resolves when the bot may go on: what it sends next must not overtake the response
   */
  async answer(id: string, token: string, answer: BotAnswer): Promise<void> {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    clearTimeout(open.timer);
    const answered = { at: monotonicNow(), left: Promise.withResolvers<void>() };
    remember(this.#answered, id, answered);
    remember(this.#tokens, token, answered.at);
    open.resolve(answer);
    if (answer.kind === 'at-discord') return;
    const late = setTimeout(answered.left.resolve, HOLD_MS).unref();
    await answered.left.promise;
    clearTimeout(late);
    // Counted from here: the response is on its way.
    remember(this.#tokens, token, monotonicNow());
  }

  /** The response has left the pod. */
  left(id: string): void {
    this.#answered.get(id)?.left.resolve();
  }

  /** Whether Discord may not know the webhook of this token yet. */
  isEarly(token: string): boolean {
    const at = this.#tokens.get(token);
    return at !== undefined && elapsed(at) < EARLY_MS;
  }

  /** The bot has gone. */
  abandon(): void {
    for (const { timer, reject } of this.#open.values()) {
      clearTimeout(timer);
      reject(new BotGone());
    }
    this.#open.clear();
  }
}

/** Adds or moves an entry to the end, and forgets the oldest beyond the limit. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MAX_ANSWERED) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
