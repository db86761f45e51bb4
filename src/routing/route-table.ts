import { GuildwayError } from '../errors.ts';
import { PATH } from '../protocol/paths.ts';
import { isGuildId, isSnowflake } from './snowflake.ts';

/**
 * The location of a route's guild id.
 * - `path`: the path parameter `:guildId` of the pattern
 * - `header` / `query`: the named header or query parameter
 * - `json`: the first of these JSON pointers (RFC 6901) into the request body that holds a guild id. If none does, the request has
 *   no guild. With `strict`, a request is refused if its pointers hold anything else: right for an API, wrong for a webhook, whose
 *   sender may put its own ids there
 * - `all`: every pod answers: the HTTP pod fans the request out and merges the responses
 * - `none`: no guild; pod 0, also for reading
 * - `any`: no guild; any pod, also for writing
 */
export type GuildLocation =
  | { readonly from: 'path' }
  | { readonly from: 'header'; readonly name: string }
  | { readonly from: 'query'; readonly name: string }
  | { readonly from: 'json'; readonly pointers: readonly string[]; readonly strict?: boolean }
  | { readonly from: 'all' }
  | { readonly from: 'none' | 'any' };

/** One row of the route table. `path` matches whole segments; `:name` is one segment, a final `/*` is any rest or none. */
export interface RouteRule {
  readonly path: string;
  readonly guild: GuildLocation;
  /** Response bodies stream (server-sent events, downloads): plain HTTP instead of the link. Default false. */
  readonly stream?: boolean;
}

/** The routes of every Guildway service. The bot's own routes take precedence. */
export const DEFAULT_ROUTES: readonly RouteRule[] = Object.freeze([
  { path: '/app/:guildId/*', guild: { from: 'path' } },
  { path: '/api/guilds/:guildId/*', guild: { from: 'path' } },
  {
    path: PATH.stripe,
    guild: {
      from: 'json',
      pointers: [
        '/data/object/metadata/guild_id',
        '/data/object/client_reference_id',
        // An invoice copies its subscription's metadata: first pointer since API 2025-03-31, second before.
        '/data/object/parent/subscription_details/metadata/guild_id',
        '/data/object/subscription_details/metadata/guild_id',
        '/data/object/lines/data/0/metadata/guild_id',
      ],
    },
  },
] satisfies RouteRule[]);

/**
 * Discord's interactions: built into both services, before any other route. Not `/data/guild_id`, where the command is registered.
 */
export const INTERACTIONS_ROUTE: RouteRule = Object.freeze({
  path: PATH.interactions,
  guild: { from: 'json', pointers: ['/guild_id'], strict: true },
} satisfies RouteRule);

/**
 * Discord's event webhooks, likewise built in. An event contains its guild's id or the guild itself. Without either, it belongs to
 * pod 0.
 */
export const EVENT_WEBHOOKS_ROUTE: RouteRule = Object.freeze({
  path: PATH.discordEvents,
  guild: { from: 'json', pointers: ['/event/data/guild_id', '/event/data/guild/id'] },
} satisfies RouteRule);

/** A matched route: its rule, and the raw `:guildId` segment of the path (not yet validated). */
export interface RouteMatch {
  readonly rule: RouteRule;
  readonly guildSegment: string | null;
}

export interface RouteTable {
  readonly rules: readonly RouteRule[];
  /** The first rule that matches a path (without its query), or null. Nothing is decoded: an encoded id is not an id. */
  match(path: string): RouteMatch | null;
}

interface CompiledRule {
  readonly rule: RouteRule;
  /** The literal start of the pattern, up to its first parameter: compared first because it rejects most paths. */
  readonly prefix: string;
  readonly segments: readonly string[];
  readonly open: boolean;
  readonly guildAt: number;
}

/**
 * Compiles a route table; earlier rules win.
 * @throws GuildwayError CONFIG_INVALID for a pattern that could not match or names no guild id
 */
export function createRouteTable(rules: readonly RouteRule[]): RouteTable {
  const compiled = rules.map(compileRule);
  return Object.freeze({
    rules: Object.freeze([...rules]),
    match(path: string): RouteMatch | null {
      for (const candidate of compiled) {
        if (!path.startsWith(candidate.prefix)) continue;
        const match = matchRule(candidate, path);
        if (match !== null) return match;
      }
      return null;
    },
  });
}

function compileRule(rule: RouteRule): CompiledRule {
  const bad = (why: string) => new GuildwayError('CONFIG_INVALID', `route ${JSON.stringify(rule.path)}: ${why}`);
  if (!rule.path.startsWith('/')) throw bad('a path starts with /');
  const open = rule.path.endsWith('/*');
  const body = open ? rule.path.slice(0, -2) : rule.path;
  if (body.includes('*')) throw bad('* stands only at the end, as /*');
  const segments = body === '' || body === '/' ? [] : body.slice(1).split('/');
  if (segments.some((segment) => segment === '')) throw bad('empty segment');
  const guildAt = segments.indexOf(':guildId');
  if (rule.guild.from === 'path' && guildAt === -1)
    throw bad('the guild id comes from the path, but the path has no :guildId');
  if (rule.guild.from === 'json' && rule.guild.pointers.some((pointer) => !pointer.startsWith('/'))) {
    throw bad('a JSON pointer starts with /');
  }
  const firstParameter = segments.findIndex((segment) => segment.startsWith(':'));
  const literal = firstParameter === -1 ? segments : segments.slice(0, firstParameter);
  const prefix = `/${literal.join('/')}${firstParameter > 0 ? '/' : ''}`;
  return { rule, prefix, segments, open, guildAt };
}

function matchRule(compiled: CompiledRule, path: string): RouteMatch | null {
  let at = 1;
  let guildSegment: string | null = null;
  const { segments } = compiled;
  for (let i = 0; i < segments.length; i++) {
    if (at > path.length) return null;
    let end = path.indexOf('/', at);
    if (end === -1) end = path.length;
    const segment = segments[i] as string;
    if (segment.charCodeAt(0) === 58 /* : */) {
      if (end === at) return null;
      if (i === compiled.guildAt) guildSegment = path.slice(at, end);
    } else if (end - at !== segment.length || !path.startsWith(segment, at)) {
      return null;
    }
    at = end + 1;
  }
  // `at` is one past the slash that ended the last segment; anything from there on is the rest.
  if (at <= path.length && !compiled.open && !(segments.length === 0 && path === '/')) return null;
  return { rule: compiled.rule, guildSegment };
}

/**
 * Whether any pod may answer a request that names no guild. A read may go to any pod, unless its route requires pod 0
 * (`from: 'none'`), for example to read what a write has stored there. Any other request without a guild goes to pod 0.
 * @param match null: no route matches the path
 */
export function isAnyPods(match: RouteMatch | null, method: string): boolean {
  if (match?.rule.guild.from === 'any') return true;
  return (method === 'GET' || method === 'HEAD') && match?.rule.guild.from !== 'none';
}

/**
 * The guild of a request: a valid id, none, every pod, a snowflake that no guild can have (`unknown`), or a value that is not a
 * snowflake (`invalid`).
 */
export type GuildOfRequest =
  | { readonly kind: 'guild'; readonly guildId: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'all' }
  | { readonly kind: 'unknown' | 'invalid'; readonly value: string };

/** The parts of a request that may contain a guild id. `header` takes a lower-case name. */
export interface GuildSource {
  /** The query string after `?`, or an empty string. */
  readonly query: string;
  header(name: string): string | undefined;
  /** The body parsed as JSON; called for `json` rules only. Throws what the parser throws. */
  json(): unknown;
}

/** Reads the guild id of a matched request. An empty location means no guild; for `json` see {@link GuildLocation}. */
export function guildOfRequest(match: RouteMatch, source: GuildSource): GuildOfRequest {
  const { guild } = match.rule;
  switch (guild.from) {
    case 'path':
      return classify(match.guildSegment);
    case 'header':
      return classify(source.header(guild.name.toLowerCase()));
    case 'query':
      return classify(new URLSearchParams(source.query).get(guild.name));
    case 'json': {
      const document = source.json();
      const values = guild.pointers.map((pointer) => readPointer(document, pointer)).filter((value) => value != null);
      const guildId = values.find(isGuildId);
      if (guildId !== undefined) return { kind: 'guild', guildId };
      return guild.strict === true && values.length > 0
        ? { kind: 'invalid', value: shown(values[0]) }
        : { kind: 'none' };
    }
    case 'all':
      return { kind: 'all' };
    case 'none':
    case 'any':
      return { kind: 'none' };
  }
}

function classify(value: string | null | undefined): GuildOfRequest {
  if (value === undefined || value === null) return { kind: 'none' };
  if (isGuildId(value)) return { kind: 'guild', guildId: value };
  const text: string = value;
  return { kind: isSnowflake(text) ? 'unknown' : 'invalid', value: text.slice(0, 40) };
}

/** A value from a body may be anything, even an object whose toString throws. */
const shown = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value).slice(0, 40) : typeof value;

/** RFC 6901. Own properties only, so that `/__proto__` or `/constructor` find nothing. */
export function readPointer(document: unknown, pointer: string): unknown {
  let value = document;
  for (const raw of pointer.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null) return undefined;
    const key = raw.replaceAll('~1', '/').replaceAll('~0', '~');
    if (!Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
