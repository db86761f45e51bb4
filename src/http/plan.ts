import { type HeaderList, MAX_LINK_BODY } from '../link/message.ts';
import { INTERNAL_PATHS, PATH } from '../protocol/paths.ts';
import {
  type GuildOfRequest,
  type GuildSource,
  guildOfRequest,
  isAmbiguousPath,
  type RouteMatch,
  type RouteTable,
} from '../routing/route-table.ts';
import type { RequestHead } from './edge-request.ts';
import { fieldValue } from './headers.ts';
import type { RouteKind } from './metrics.ts';

/** What is to be done with a request, as its head tells. */
export type Plan =
  | { readonly kind: 'interaction' | 'event-webhook' | 'fan-out' }
  | { readonly kind: 'stripe' | 'guild-in-body'; readonly match: RouteMatch }
  | {
      readonly kind: 'route';
      /** Null: no guild, so pod 0. */
      readonly guildId: string | null;
      /** A small body is read first, so that it can be sent again if it was certainly not sent. Others stream. */
      readonly body: 'none' | 'read' | 'stream';
      /** Request or response stream, so not over the link. */
      readonly streams: boolean;
    }
  | {
      readonly kind: 'refuse';
      readonly route: RouteKind;
      readonly status: number;
      readonly why: string;
      readonly headers: HeaderList;
    };

const INTERACTION: Plan = Object.freeze({ kind: 'interaction' });
const EVENT_WEBHOOK: Plan = Object.freeze({ kind: 'event-webhook' });
const FAN_OUT: Plan = Object.freeze({ kind: 'fan-out' });
const NO_HEADERS: HeaderList = Object.freeze([]);
const NO_GUILD: GuildOfRequest = Object.freeze({ kind: 'none' });
const NOTHING: GuildSource = Object.freeze({ query: '', header: () => undefined, json: () => null });

/** Decides what is to be done with a request. @param maxBodyBytes the longest body that may stream */
export function planOf(head: RequestHead, routes: RouteTable, maxBodyBytes: number): Plan {
  const { method, url, fields, bodyLength } = head;
  const query = url.indexOf('?');
  const path = query === -1 ? url : url.slice(0, query);
  if (path === PATH.interactions || path === PATH.discordEvents) {
    if (method !== 'POST') return refuse('other', 405, 'use POST', ['allow', 'POST']);
    return path === PATH.interactions ? INTERACTION : EVENT_WEBHOOK;
  }
  if (!path.startsWith('/') || path.startsWith(INTERNAL_PATHS)) return refuse('other', 404, 'not found');
  if (isAmbiguousPath(path)) return refuse('other', 400, 'the path has dot segments or backslashes');
  const match = routes.match(path);
  if (match !== null && path === PATH.stripe && method === 'POST') return { kind: 'stripe', match };
  if (match !== null && match.rule.guild.from === 'json') return { kind: 'guild-in-body', match };

  const guild = guildIn(match, url, query, fields);
  if (guild.kind === 'invalid') return refuseGuild(guild.value);
  if (guild.kind === 'all') return FAN_OUT;
  const guildId = guild.kind === 'guild' ? guild.guildId : null;
  const uploads = bodyLength === null || bodyLength > MAX_LINK_BODY;
  if (bodyLength !== null && bodyLength > maxBodyBytes) {
    return refuse(routeOf(guildId), 413, `the body is larger than ${maxBodyBytes} bytes`);
  }
  const streams =
    uploads || match?.rule.stream === true || fieldValue(fields, 'accept')?.startsWith('text/event-stream') === true;
  return { kind: 'route', guildId, body: bodyLength === 0 ? 'none' : uploads ? 'stream' : 'read', streams };
}

/** The guild that the head of a request names. @param query where its `?` is in the url, or -1 */
export function guildIn(match: RouteMatch | null, url: string, query: number, fields: HeaderList): GuildOfRequest {
  if (match === null) return NO_GUILD;
  // What most requests are needs neither query nor headers to be looked at.
  if (match.rule.guild.from === 'path') return guildOfRequest(match, NOTHING);
  return guildOfRequest(match, {
    query: query === -1 ? '' : url.slice(query + 1),
    header: (name) => fieldValue(fields, name),
    json: () => null,
  });
}

/** What a request about a guild, or none, is in metrics. */
export const routeOf = (guildId: string | null): RouteKind => (guildId === null ? 'guildless' : 'guild');

export const refuseGuild = (value: string): Plan & { kind: 'refuse' } =>
  refuse('guild', 400, `${JSON.stringify(value)} is not a guild id`);

function refuse(route: RouteKind, status: number, why: string, headers = NO_HEADERS): Plan & { kind: 'refuse' } {
  return { kind: 'refuse', route, status, why, headers };
}
