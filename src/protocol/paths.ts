/** Paths of gateway pods that are not the bot's; an HTTP pod never forwards a request from outside to them. */
export const INTERNAL_PATHS = '/_guildway/';

/** Paths that mean the same to both services, whatever routes a bot declares. */
export const PATH = Object.freeze({
  /** Discord's interactions. */
  interactions: '/webhooks/discord',
  /** Discord's webhook events. */
  discordEvents: '/webhooks/discord-events',
  /** Stripe's events. */
  stripe: '/webhooks/stripe',
  /** Answered by the HTTP pod itself, whichever gateway pods are away. */
  health: '/healthz',
  link: `${INTERNAL_PATHS}link`,
  state: `${INTERNAL_PATHS}state`,
  guilds: `${INTERNAL_PATHS}guilds`,
  identify: `${INTERNAL_PATHS}identify`,
  /** A gateway pod `POST`s an event of Discord's gateway here that reached it and not the guild's owner. */
  events: `${INTERNAL_PATHS}events`,
  /** Gateway pods `POST` what they know of their topology to each other here, and get the other's back. */
  topology: `${INTERNAL_PATHS}topology`,
  /** Followed by the hint's identity, URI-encoded. */
  hints: `${INTERNAL_PATHS}hints/`,
});

/** Paths whose requests an HTTP pod verifies, and whose events a gateway pod carries out once. */
const WEBHOOKS: ReadonlySet<string> = new Set([PATH.interactions, PATH.discordEvents, PATH.stripe]);

/** Whether a path is one that is verified. @param path in its normal form, see target.ts */
export const isWebhook = (path: string): boolean => WEBHOOKS.has(path);

/**
 * The one method that a webhook's path takes: the same rule for what is verified and for what has an identity, as a request that
 * only one of the two recognized would run unverified. Both services answer anything else with 405.
 */
export const WEBHOOK_METHOD = 'POST';

/**
 * The well-known path that some router could read out of a path, or null: routers differ in whether they mind case, trailing
 * slashes, parameters (`;x`) and encoded ends of a path (`%23x`), and a bot must get what is meant for a webhook only through its verification.
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
