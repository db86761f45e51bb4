import { errorFacts } from '../observability/error-facts.ts';
import type { Logger } from '../observability/log.ts';

/**
 * A handler that does not wait for its own promise must not end the pod of all its guilds when that one is rejected. What is
 * thrown outside any promise still does (`observability/crash.ts`): nobody knows what state it leaves behind.
 * @returns a function that stops it
 */
export function catchStrayRejections(log: Logger): () => void {
  const onRejection = (reason: unknown): void => log.error({ err: errorFacts(reason) }, 'unhandled promise rejection');
  process.on('unhandledRejection', onRejection);
  return () => process.off('unhandledRejection', onRejection);
}
