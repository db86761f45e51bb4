import { DiscordAPIError, REST, type RESTOptions } from '@discordjs/rest';
import type { Logger } from '../../observability/log.ts';

/** Routes that a token in the path authorizes: those of interactions and webhooks. They need no bot token. */
const TOKEN_IN_PATH = /^\/(?:interactions|webhooks)\/[^/?]+\/[^/?]/;

/** Whether a request is sent without the bot's token. @param fullRoute as built by `Routes` of discord-api-types */
const hasTokenInPath = (fullRoute: string): boolean => TOKEN_IN_PATH.test(fullRoute);

/**
 * A REST client in which a call that gets 401 fails alone. The library drops the bot's token after a 401, so every later call
 * of the pod would throw.
 */
export class PodRest extends REST {
  readonly #log: Logger;
  /** Discord has rejected the token since it last accepted it. Logged once. */
  #isRefused = false;

  constructor(options: Partial<RESTOptions>, log: Logger) {
    super(options);
    this.#log = log;
  }

  override async queueRequest(request: Parameters<REST['queueRequest']>[0]): ReturnType<REST['queueRequest']> {
    if (request.auth === false || hasTokenInPath(request.fullRoute)) {
      return super.queueRequest({ ...request, auth: false });
    }
    try {
      const response = await super.queueRequest(request);
      this.#isRefused = false;
      return response;
    } catch (error) {
      if (error instanceof DiscordAPIError && error.status === 401) this.#onRefused(error);
      throw error;
    }
  }

  /** Keeps its token. @param token the library passes null after a 401 */
  override setToken(token: string | null): this {
    return token === null ? this : super.setToken(token);
  }

  #onRefused(error: DiscordAPIError): void {
    const { method, code } = error;
    if (!this.#isRefused) {
      this.#log.error(
        { method, path: new URL(error.url).pathname, code },
        'Discord refuses a call of the bot with 401; if all calls fail, DISCORD_TOKEN is not valid any more: set the new one and restart',
      );
    }
    this.#isRefused = true;
  }
}
