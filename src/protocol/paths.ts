/** Paths that gateway pods reserve. An HTTP pod never forwards a client's request to them. */
export const INTERNAL_PATHS = '/_guildway/';

/** Paths that mean the same to both services, whatever routes a bot declares. */
export const PATH = Object.freeze({
  /** Discord's interactions. */
  interactions: '/webhooks/discord',
  /** Discord's webhook events. */
  discordEvents: '/webhooks/discord-events',
  /** Stripe's events. */
  stripe: '/webhooks/stripe',
  /** Answered by the HTTP pod itself, even while gateway pods are away. */
  health: '/healthz',
  link: `${INTERNAL_PATHS}link`,
  state: `${INTERNAL_PATHS}state`,
  guilds: `${INTERNAL_PATHS}guilds`,
  identify: `${INTERNAL_PATHS}identify`,
  /** A gateway pod `POST`s an event of Discord's gateway here if another pod owns its guild. */
  events: `${INTERNAL_PATHS}events`,
  /** Gateway pods exchange their topologies here: each `POST`s its own and receives the other's. */
  topology: `${INTERNAL_PATHS}topology`,
  /** Gateway pods `POST` the messages of the protocol of moves here, with the rows of guilds. */
  moves: `${INTERNAL_PATHS}moves`,
  /** Followed by the hint's identity, URI-encoded. */
  hints: `${INTERNAL_PATHS}hints/`,
});

/** Paths whose requests an HTTP pod verifies, and whose events a gateway pod handles once. */
const WEBHOOKS: ReadonlySet<string> = new Set([PATH.interactions, PATH.discordEvents, PATH.stripe]);

/** Whether an HTTP pod verifies requests of a path. @param path in its normal form, see target.ts */
export const isWebhook = (path: string): boolean => WEBHOOKS.has(path);

/**
 * The only method of a webhook's path. Verification and identity share this rule: a request that only one of the two recognized
 * would run unverified. Both services answer any other method with 405.
 */
export const WEBHOOK_METHOD = 'POST';

/**
 * The well-known path that a lenient router could match, or null. Some routers ignore case, trailing slashes, parameters (`;x`) and
 * encoded ends of a path (`%23x`). A bot must receive webhook requests only after verification.
 * @param path without dot segments, empty segments and encoded letters
 */
export function wellKnownPath(path: string): string | null {
  const plain = path
    .toLowerCase()
    .replace(/(?:;|%3b|%23|%3f)[^/]*/g, '')
    .replace(/\/{2,}/g, '/')
    .replace(/\/$/, '');
  if (WEBHOOKS.has(plain) || plain === PATH.health) return plain;
  return `${plain}/`.startsWith(INTERNAL_PATHS) ? INTERNAL_PATHS : null;
}
