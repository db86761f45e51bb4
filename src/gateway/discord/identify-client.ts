import { setTimeout as delay } from 'node:timers/promises';
import { signPlainRequest } from '../../link/auth.ts';
import { fullJitter } from '../../link/backoff.ts';
import { HEADER, INTERNAL_PATHS } from '../../link/message.ts';
import type { Logger } from '../../observability/log.ts';

export const IDENTIFY_PATH = `${INTERNAL_PATHS}identify`;

/** Longest time one question to pod 0 stays open. */
const ASK_MS = 30_000;

/**
 * Waits for an identify slot from pod 0. While pod 0 is away nobody identifies: without it there is nobody who counts, and too
 * many identifies end the whole bot's sessions. Sessions that can be resumed do not need it.
 */
export async function askForIdentify(
  { url, secret, log }: { url: string; secret: string; log: Logger },
  shard: number,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    try {
      const response = await fetch(`${url}${IDENTIFY_PATH}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          [HEADER.auth]: signPlainRequest(secret, 0, 'POST', IDENTIFY_PATH),
          [HEADER.deadlineMs]: String(ASK_MS),
        },
        body: JSON.stringify({ shard }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_MS + 1_000)]),
      });
      const text = await response.text();
      if (response.status === 204) return;
      const { status } = response;
      log.warn({ shard, status, answer: text.slice(0, 200) }, 'pod 0 gave no identify slot; asking again');
    } catch (error) {
      signal.throwIfAborted();
      log.warn({ shard, err: error }, 'cannot ask pod 0 for an identify slot; asking again');
    }
    await delay(250 + fullJitter(attempt, 250, 5_000), undefined, { signal });
  }
}
