import { setTimeout as delay } from 'node:timers/promises';

/** Polls until `condition` returns a value other than undefined, null or false. @throws after the timeout */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 60_000,
): Promise<Exclude<T, undefined | null | false>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>;
    if (performance.now() > end) throw new Error(`timed out: ${what}`);
    await delay(10);
  }
}
