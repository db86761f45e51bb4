import { type HeaderList, MAX_LINK_BODY } from '../../link/message.ts';
import { INTERNAL_PATHS, isWebhook, PATH, WEBHOOK_METHOD } from '../../protocol/paths.ts';
import {
  type GuildOfRequest,
  type GuildSource,
  guildOfRequest,
  isAnyPods,
  type RouteMatch,
  type RouteTable,
} from '../../routing/route-table.ts';
import { fieldValue } from '../inbound/headers.ts';
import type { RequestHead } from '../inbound/request-head.ts';
import type { RouteKind } from '../metrics/http-metrics.ts';

/** How to handle a request, according to its head. */
export type Classified =
  | { readonly kind: 'interaction' | 'event-webhook' | 'fan-out' | 'health' }
  | { readonly kind: 'stripe' | 'guild-in-body'; readonly match: RouteMatch }
  | {
      readonly kind: 'route';
      /** Null: no guild. */
      readonly guildId: string | null;
      /** The request has no guild and any pod may handle it. If false, pod 0 handles it. */
      readonly anyPod: boolean;
      /** A small body is buffered, so that the request can be retried if it was certainly not sent. Larger bodies stream. */
      readonly body: 'none' | 'read' | 'stream';
      /** The request or response streams, so the request cannot use the link. */
      readonly streams: boolean;
    }
  | {
      readonly kind: 'refuse';
      readonly route: RouteKind;
      readonly status: number;
      readonly why: string;
      readonly headers: HeaderList;
    };

const INTERACTION: Classified = Object.freeze({ kind: 'interaction' });
const EVENT_WEBHOOK: Classified = Object.freeze({ kind: 'event-webhook' });
const FAN_OUT: Classified = Object.freeze({ kind: 'fan-out' });
const HEALTH: Classified = Object.freeze({ kind: 'health' });
const NO_HEADERS: HeaderList = Object.freeze([]);
const NO_GUILD: GuildOfRequest = Object.freeze({ kind: 'none' });
const NOT_FOUND: Classified = Object.freeze(refuse('other', 404, 'not found'));
const NOTHING: GuildSource = Object.freeze({ query: '', header: () => undefined, json: () => null });

/** Decides how to handle a request. @param maxBodyBytes the longest body that may stream */
export function classify(head: RequestHead, routes: RouteTable, maxBodyBytes: number): Classified {
  const { method, url, fields, bodyLength, fault } = head;
  if (fault !== null) return refuse('other', fault.status, fault.why);
  const query = url.indexOf('?');
  const path = query === -1 ? url : url.slice(0, query);
  if (isWebhook(path)) return planOfWebhook(path, method, routes);
  if (path === PATH.health) {
    return isRead(method) ? HEALTH : refuse('other', 405, 'use GET', ['allow', 'GET, HEAD']);
  }
  if (path.startsWith(INTERNAL_PATHS)) return NOT_FOUND;
  const match = routes.match(path);
  if (match !== null && match.rule.guild.from === 'json') return { kind: 'guild-in-body', match };

  const guild = guildIn(match, url, query, fields);
  if (guild.kind === 'invalid' || guild.kind === 'unknown') return refuseGuild(guild);
  if (guild.kind === 'all') return FAN_OUT;
  const guildId = guild.kind === 'guild' ? guild.guildId : null;
  // The body of a read has no meaning, and the pod may respond before it arrives. It is buffered, so that the read can be retried.
  const limit = isRead(method) ? Math.min(maxBodyBytes, MAX_LINK_BODY) : maxBodyBytes;
  if (bodyLength !== null && bodyLength > limit) {
    return refuse(routeOf(guildId), 413, `the body is larger than ${limit} bytes`);
  }
  const uploads = !isRead(method) && (bodyLength === null || bodyLength > MAX_LINK_BODY);
  const streams =
    uploads || match?.rule.stream === true || fieldValue(fields, 'accept')?.startsWith('text/event-stream') === true;
  const anyPod = guildId === null && isAnyPods(match, method);
  return { kind: 'route', guildId, anyPod, body: bodyLength === 0 ? 'none' : uploads ? 'stream' : 'read', streams };
}

/** Regardless of the bot's routes, an unverified request to these paths never reaches the bot. */
function planOfWebhook(path: string, method: string, routes: RouteTable): Classified {
  if (method !== WEBHOOK_METHOD) return refuse('other', 405, `use ${WEBHOOK_METHOD}`, ['allow', WEBHOOK_METHOD]);
  if (path === PATH.interactions) return INTERACTION;
  if (path === PATH.discordEvents) return EVENT_WEBHOOK;
  const match = routes.match(path);
  return match === null ? NOT_FOUND : { kind: 'stripe', match };
}

const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD';

/** The guild that the head of a request names. @param query where its `?` is in the url, or -1 */
function guildIn(match: RouteMatch | null, url: string, query: number, fields: HeaderList): GuildOfRequest {
  if (match === null) return NO_GUILD;
  // Most requests need neither query nor headers here.
  if (match.rule.guild.from === 'path') return guildOfRequest(match, NOTHING);
  return guildOfRequest(match, {
    query: query === -1 ? '' : url.slice(query + 1),
    header: (name) => fieldValue(fields, name),
    json: () => null,
  });
}

/** The route label of a request with or without a guild, for metrics. */
export const routeOf = (guildId: string | null): RouteKind => (guildId === null ? 'guildless' : 'guild');

/** 404 for a number that could be an id but is not a guild's; 400 for any other value. */
export const refuseGuild = ({ kind, value }: UnusableGuild): Classified & { kind: 'refuse' } =>
  kind === 'unknown'
    ? refuse('guild', 404, `there is no guild ${value}`)
    : refuse('guild', 400, `${JSON.stringify(value)} is not a guild id`);

type UnusableGuild = Extract<GuildOfRequest, { kind: 'unknown' | 'invalid' }>;

function refuse(route: RouteKind, status: number, why: string, headers = NO_HEADERS): Classified & { kind: 'refuse' } {
  return { kind: 'refuse', route, status, why, headers };
}
