import { DiscordAPIError } from '@discordjs/rest';
import { fullJitter } from '../../link/backoff.ts';
import { GUILDLESS_POD } from '../../routing/topology.ts';
import type { DiscordSessionsOptions } from '../discord-seam.ts';
import { type CommandDutyOptions, commandDuty } from './command-duty.ts';
import { type CommandBody, registration } from './command-form.ts';
import { refusalReasons } from './command-refusal.ts';
import { registerCommands } from './commands.ts';
import { pause } from './pause.ts';

type Options = Pick<DiscordSessionsOptions, 'config' | 'rest' | 'bot' | 'log'> & CommandDutyOptions;

const RETRY_BASE_MS = 1_000;
const RETRY_CAP_MS = 60_000;

/**
 * Registers the bot's commands at the start of pod 0 or, while it stays away, of the lowest pod that is alive. Until then, and
 * if Discord rejects them, Discord keeps the previous ones.
 */
export class CommandRegistration {
  readonly #options: Options;
  #state: string;
  #isRegistered = false;
  #problem: string | null = null;

  constructor(options: Options) {
    this.#options = options;
    this.#state =
      options.ordinal === GUILDLESS_POD
        ? 'not yet registered'
        : 'registered by a lower pod, or by this one if all stay away';
  }

  /** The progress, for people. */
  get state(): string {
    return this.#state;
  }

  /** Whether this pod has registered them. */
  get isRegistered(): boolean {
    return this.#isRegistered;
  }

  /** Why Discord rejects the commands, or null. The pod stays ready and serves. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Resolves when the commands are registered or rejected, or when `stopping` aborts. */
  async run(stopping: AbortSignal): Promise<void> {
    const { config, ordinal, rest, bot, log } = this.#options;
    if (config.discordAppId === null) {
      this.#state = 'DISCORD_APP_ID is not set: commands are not registered';
      if (ordinal === GUILDLESS_POD) log.warn(this.#state);
      return;
    }
    const duty = await commandDuty(this.#options, stopping);
    if (duty === null) return;
    if (duty.by !== null) {
      this.#state = `registered by pod ${duty.by}`;
      return;
    }
    if (ordinal !== GUILDLESS_POD) log.warn('all lower pods stay away: this pod registers the commands');
    const wanted = (bot.commands ?? []).map(registration);
    for (let attempt = 0; !stopping.aborted; attempt++) {
      try {
        const changed = await registerCommands(rest, config.discordAppId, wanted, config.discordCommandsGuild);
        this.#state = 'registered';
        this.#isRegistered = true;
        log.info({ commands: wanted.length, changed }, 'commands registered');
        return;
      } catch (error) {
        if (stopping.aborted) return;
        if (isRefusal(error)) {
          this.#refused(error, wanted);
          return;
        }
        this.#state = `cannot register commands: ${(error as Error).message}; trying again`;
        // Logged once. The state shows it as long as it lasts.
        if (attempt === 0) log.warn({ err: error }, this.#state);
        await pause(RETRY_BASE_MS + fullJitter(attempt, RETRY_BASE_MS, RETRY_CAP_MS), stopping);
      }
    }
  }

  /** The same request would be rejected again, so only the next process retries. */
  #refused(error: DiscordAPIError, wanted: readonly CommandBody[]): void {
    const { log } = this.#options;
    this.#problem = `Discord refuses the bot's commands and keeps the former ones: ${refusalReasons(error, wanted)}; ${remedy(error)}`;
    this.#state = this.#problem;
    log.error({ code: error.code, status: error.status }, this.#problem);
  }
}

/** Discord has read and rejected the request. A 429 is not a rejection. */
const isRefusal = (error: unknown): error is DiscordAPIError =>
  error instanceof DiscordAPIError && error.status >= 400 && error.status < 500 && error.status !== 429;

function remedy({ status }: DiscordAPIError): string {
  if (status === 401) return 'check DISCORD_TOKEN and restart';
  if (status === 403 || status === 404)
    return 'check that DISCORD_APP_ID is the application of DISCORD_TOKEN, and restart';
  return 'correct them in the bot and restart';
}
