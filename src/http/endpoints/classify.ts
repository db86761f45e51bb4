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

/** What is to be done with a request, as its head tells. */
export type Classified =
  | { readonly kind: 'interaction' | 'event-webhook' | 'fan-out' | 'health' }
  | { readonly kind: 'stripe' | 'guild-in-body'; readonly match: RouteMatch }
  | {
      readonly kind: 'route';
      /** Null: no guild. */
      readonly guildId: string | null;
      /** It has no guild, and any pod may answer it; else pod 0 does. */
      readonly anyPod: boolean;
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

const INTERACTION: Classified = Object.freeze({ kind: 'interaction' });
const EVENT_WEBHOOK: Classified = Object.freeze({ kind: 'event-webhook' });
const FAN_OUT: Classified = Object.freeze({ kind: 'fan-out' });
const HEALTH: Classified = Object.freeze({ kind: 'health' });
const NO_HEADERS: HeaderList = Object.freeze([]);
const NO_GUILD: GuildOfRequest = Object.freeze({ kind: 'none' });
const NOT_FOUND: Classified = Object.freeze(refuse('other', 404, 'not found'));
const NOTHING: GuildSource = Object.freeze({ query: '', header: () => undefined, json: () => null });

/** Decides what is to be done with a request. @param maxBodyBytes the longest body that may stream */
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
  // A read's body has no meaning, and its pod may answer before it has come: it is read first, so that the read can be repeated.
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

/** Whatever a bot's routes say of these paths: a request that is not verified here never reaches it. */
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

/** Of an id that could be a guild's nothing more is known than that there is no such guild; a value that is none is a mistake. */
export const refuseGuild = ({ kind, value }: UnusableGuild): Classified & { kind: 'refuse' } =>
  kind === 'unknown'
    ? refuse('guild', 404, `there is no guild ${value}`)
    : refuse('guild', 400, `${JSON.stringify(value)} is not a guild id`);

type UnusableGuild = Extract<GuildOfRequest, { kind: 'unknown' | 'invalid' }>;

function refuse(route: RouteKind, status: number, why: string, headers = NO_HEADERS): Classified & { kind: 'refuse' } {
  return { kind: 'refuse', route, status, why, headers };
}
