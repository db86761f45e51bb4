import { fullJitter } from '../../link/backoff.ts';
import { GUILDLESS_POD } from '../../routing/topology.ts';
import type { DiscordSessionsOptions } from '../discord-seam.ts';
import { fatalAnswer } from './close-codes.ts';
import { registerCommands } from './commands.ts';
import { pause } from './pause.ts';

type Options = Pick<DiscordSessionsOptions, 'config' | 'ordinal' | 'rest' | 'bot' | 'log'>;

/** Registers the bot's commands when pod 0 starts, as often as it takes. A bot without it still serves those it had. */
export class CommandRegistration {
  readonly #options: Options;
  #state: string;

  constructor(options: Options) {
    this.#options = options;
    this.#state = options.ordinal === GUILDLESS_POD ? 'not yet registered' : `registered by pod ${GUILDLESS_POD}`;
  }

  /** For people: how far it is. */
  get state(): string {
    return this.#state;
  }

  /** Resolves when it is done, cannot be done, or `stopping` aborts. */
  async run(stopping: AbortSignal): Promise<void> {
    const { config, ordinal, rest, bot, log } = this.#options;
    if (ordinal !== GUILDLESS_POD) return;
    if (config.discordAppId === null) {
      this.#state = 'DISCORD_APP_ID is not set: commands are not registered';
      log.warn(this.#state);
      return;
    }
    for (let attempt = 0; !stopping.aborted; attempt++) {
      try {
        const changed = await registerCommands(rest, config.discordAppId, bot);
        this.#state = 'registered';
        log.info({ commands: bot.commands?.length ?? 0, changed }, 'commands registered');
        return;
      } catch (error) {
        this.#state = `cannot register commands: ${(error as Error).message}`;
        if (stopping.aborted) return;
        log.error({ err: error }, this.#state);
        if (fatalAnswer(error) !== null) return;
        await pause(1_000 + fullJitter(attempt, 1_000, 60_000), stopping);
      }
    }
  }
}
