import { errorFacts } from './error-facts.ts';
import type { Logger } from './log.ts';

/**
 * Ends the process, with one line in the log that has the stack, when an error is thrown where nobody catches it, or a promise is
 * rejected that nobody waits for. Nobody knows what state that leaves behind, so nothing is drained: who started the process
 * starts it again, and what was acknowledged is on disk. The gateway service takes rejections upon itself, because a bot's
 * handlers run in it.
 *
 * Node would end the process, too, but write the error to standard error as it is, with everything that hangs on it.
 */
export function endOnUncaughtErrors(log: Logger): void {
  process.on('uncaughtException', (error, origin) => {
    try {
      // Level fatal is written out before it returns.
      log.fatal({ err: errorFacts(error), origin }, 'an error was not caught: ending');
    } finally {
      process.exit(1);
    }
  });
}
