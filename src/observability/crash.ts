import { errorFacts } from './error-facts.ts';
import type { Logger } from './log.ts';

/**
 * Ends the process after an uncaught error or an unhandled rejection, with one log line that has the stack. The state is
 * unknown then, so nothing is drained: the supervisor restarts the process, and acknowledged data is on disk. The gateway
 * service handles rejections itself, because a bot's handlers run in it.
 *
 * Node would end the process too, but would print the error with all its properties.
 */
export function endOnUncaughtErrors(log: Logger): void {
  process.on('uncaughtException', (error, origin) => {
    try {
      // Level fatal is flushed before the call returns.
      log.fatal({ err: errorFacts(error), origin }, 'an error was not caught: ending');
    } finally {
      process.exit(1);
    }
  });
}
