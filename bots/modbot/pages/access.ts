import { createHash, timingSafeEqual } from 'node:crypto';
import type { BotContext } from 'guildway';
import { readPageKey } from '../store/guilds.ts';

/**
 * Who may use a guild's page and API, which means to read its moderation log and to write notes into it: everybody with its
 * secret link, which `/settings page` gives to those who manage the server. With MODBOT_PAGES=open it is everybody: for the
 * local cluster, and for a deployment with a proxy in front that signs people in. To sign people in here instead (Discord's
 * OAuth, say), {@link mayUse} is the one function to change.
 */
export function pagesAreOpen(): boolean {
  return process.env.MODBOT_PAGES === 'open';
}

/** Whether the request may see what the guild's page shows, and write notes. */
export function mayUse(request: Request, guildId: string, context: BotContext): boolean {
  if (pagesAreOpen()) return true;
  const given = bearerOf(request) ?? cookieOf(request);
  return given !== null && isPageKey(given, guildId, context);
}

export function isPageKey(given: string, guildId: string, context: BotContext): boolean {
  const key = readPageKey(context.db, guildId);
  // Digests have one length, and comparing them tells nothing about the key by how long it takes.
  return key !== null && timingSafeEqual(digest(given), digest(key));
}

/** The link to a guild's page. MODBOT_URL is where the HTTP service can be reached from outside. */
export function pageLink(guildId: string, key: string): string {
  return `${process.env.MODBOT_URL ?? ''}/app/${guildId}?key=${key}`;
}

/** Keeps the key of the link for a week, for this guild's page only, out of reach of scripts. */
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
