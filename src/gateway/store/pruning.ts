import type { Logger } from '../../observability/log.ts';
import type { Ledger } from './ledger.ts';

const INTERVAL_MS = 5_000;
/** Few enough that no request waits for them noticeably. */
const ROWS_PER_STEP = 200;
const STEPS_PER_INTERVAL = 100;

/** Removes what the ledger need not remember any more, in small steps between requests. @returns a function that stops it */
export function startPruning(ledger: Ledger, log: Logger): () => void {
  let stopped = false;
  const step = (left: number): void => {
    if (stopped) return;
    try {
      const removed = ledger.prune(ROWS_PER_STEP);
      if (removed === ROWS_PER_STEP && left > 1) setImmediate(step, left - 1);
    } catch (error) {
      log.warn({ err: error }, 'the ledger could not be pruned');
    }
  };
  const timer = setInterval(step, INTERVAL_MS, STEPS_PER_INTERVAL).unref();
  return () => {
    stopped = true;
    clearInterval(timer);
  };
}
