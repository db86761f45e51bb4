import { errorFacts } from '../observability/error-facts.ts';
import type { Logger } from '../observability/log.ts';

/**
 * A rejection that a handler does not await must not end the pod, which serves many guilds. An error that is thrown outside a
 * promise still ends it (`observability/crash.ts`), because it leaves an unknown state.
 * @returns a function that stops it
 */
export function catchStrayRejections(log: Logger): () => void {
  const onRejection = (reason: unknown): void => log.error({ err: errorFacts(reason) }, 'unhandled promise rejection');
  process.on('unhandledRejection', onRejection);
  return () => process.off('unhandledRejection', onRejection);
}
