import { type GatewayRequest, headerValue } from '../../link/message.ts';
import type { Duration } from '../../time.ts';
import type { Upstream } from './upstream.ts';

/** The responses of all pods by ordinal, and the pods that did not respond, with the reasons. */
export interface FanOut {
  readonly answers: Readonly<Record<string, unknown>>;
  readonly missing: readonly { readonly pod: number; readonly reason: string }[];
}

/**
 * Sends a request to every pod, once. Never rejects.
 * @param limits.awayMs the time limit for a pod without a link, so that it does not delay the responses of the others
 */
export async function fanOut(
  upstreams: readonly Upstream[],
  request: GatewayRequest,
  limits: { readonly timeoutMs: Duration; readonly awayMs: Duration },
): Promise<FanOut> {
  const answers: Record<string, unknown> = {};
  const missing: { pod: number; reason: string }[] = [];
  await Promise.all(
    upstreams.map(async (upstream) => {
      try {
        const away = upstream.linked && upstream.link?.state !== 'ready';
        const timeoutMs = away ? Math.min(limits.awayMs, limits.timeoutMs) : limits.timeoutMs;
        const { status, headers, body } = await upstream.fetch(request, timeoutMs);
        if (status >= 400) missing.push({ pod: upstream.ordinal, reason: `it answered with ${status}` });
        else answers[upstream.ordinal] = decode(headerValue(headers, 'content-type'), body);
      } catch (error) {
        missing.push({ pod: upstream.ordinal, reason: (error as Error).message });
      }
    }),
  );
  return { answers, missing: missing.sort((a, b) => a.pod - b.pod) };
}

function decode(contentType: string | undefined, body: Buffer): unknown {
  const text = body.toString('utf8');
  if (!contentType?.startsWith('application/json')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
