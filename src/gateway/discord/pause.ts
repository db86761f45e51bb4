import { setTimeout as delay } from 'node:timers/promises';

/** Waits for some time, or until `signal` aborts. Never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {});
}
