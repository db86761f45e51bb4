import type { Route } from '../router.ts';

interface Parts {
  readonly maxConcurrency: number;
  readonly guildCount: number;
  /** How many identifies are left today, of how many, and the milliseconds until they are all back. */
  readonly startLimit: () => { total: number; remaining: number; resetAfterMs: number };
}

/** Where the gateway is; the one REST call that libraries make to log in. */
export function gatewayRoutes({ maxConcurrency, guildCount, startLimit }: Parts): Route[] {
  // Reached by the same name as this request: clients may know the simulator by another one than its own.
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
