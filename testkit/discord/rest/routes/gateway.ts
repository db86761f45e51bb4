import type { Route } from '../router.ts';

export interface GatewayRouteParts {
  readonly maxConcurrency: number;
  readonly guildCount: number;
  /** The identifies per day, those remaining, and the milliseconds until the limit resets. */
  readonly startLimit: () => { total: number; remaining: number; resetAfterMs: number };
}

/** Routes that return the gateway's URL. Libraries call them to log in. */
export function gatewayRoutes({ maxConcurrency, guildCount, startLimit }: GatewayRouteParts): Route[] {
  // Uses the host of this request, because clients may know the simulator under another name than its own.
  const url = (host: string) => `ws://${host}/gateway`;
  return [
    {
      method: 'GET',
      path: '/gateway',
      auth: 'none',
      handle: ({ host }) => ({ status: 200, body: { url: url(host) } }),
    },
    {
      method: 'GET',
      path: '/gateway/bot',
      auth: 'bot',
      handle({ host }) {
        const { total, remaining, resetAfterMs } = startLimit();
        return {
          status: 200,
          body: {
            url: url(host),
            shards: Math.max(1, Math.ceil(guildCount / 1000)),
            session_start_limit: { total, remaining, reset_after: resetAfterMs, max_concurrency: maxConcurrency },
          },
        };
      },
    },
  ];
}
