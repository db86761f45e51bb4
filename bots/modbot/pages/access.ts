import { createHash, timingSafeEqual } from 'node:crypto';
import type { BotContext } from 'guildway';
import { readPageKey } from '../store/guilds.ts';

/**
 * Access to a guild's page and API, which can read the moderation log and write notes. Everyone with the guild's secret link has
 * access; `/settings page` shows the link to users who manage the server. With MODBOT_PAGES=open everyone has access, for the local
 * cluster and for deployments behind a proxy that signs users in. To sign users in here instead, for example with Discord's OAuth,
 * change {@link mayUse}.
 */
export function pagesAreOpen(): boolean {
  return process.env.MODBOT_PAGES === 'open';
}

/** Whether the request may read the guild's page and write notes. */
export function mayUse(request: Request, guildId: string, context: BotContext): boolean {
  if (pagesAreOpen()) return true;
  const given = bearerOf(request) ?? cookieOf(request);
  return given !== null && isPageKey(given, guildId, context);
}

export function isPageKey(given: string, guildId: string, context: BotContext): boolean {
  const key = readPageKey(context.db, guildId);
  // Digests have equal lengths, and the time of their comparison reveals nothing about the key.
  return key !== null && timingSafeEqual(digest(given), digest(key));
}

/** The link to a guild's page. MODBOT_URL is the public URL of the HTTP service. */
export function pageLink(guildId: string, key: string): string {
  return `${process.env.MODBOT_URL ?? ''}/app/${guildId}?key=${key}`;
}

/** A cookie with the link's key: valid for a week, for this guild's page only, and not readable by scripts. */
export function keyCookie(guildId: string, key: string, secure: 'https' | 'http'): string {
  const flags = secure === 'https' ? '; Secure' : '';
  return `modbot_key=${key}; Path=/app/${guildId}; Max-Age=604800; HttpOnly; SameSite=Lax${flags}`;
}

function bearerOf(request: Request): string | null {
  return /^Bearer (\S+)$/.exec(request.headers.get('authorization') ?? '')?.[1] ?? null;
}

function cookieOf(request: Request): string | null {
  return /(?:^|;\s*)modbot_key=([\w-]+)/.exec(request.headers.get('cookie') ?? '')?.[1] ?? null;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
