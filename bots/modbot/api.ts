import { type BotContext, isCrossSite } from 'guildway';
import { mayUse } from './pages/access.ts';
import { readActivity } from './store/activity.ts';
import { addCase, CASE_KINDS, countCases, listCases } from './store/cases.ts';
import { readGuildName, readSettings } from './store/guilds.ts';

/**
 * The JSON API of a guild, below `/api/guilds/:guildId`:
 *
 * - `GET /`          name and numbers
 * - `GET /modlog`    `?kind=warn&user=<id>&page=1&per_page=20`
 * - `GET /activity`  `?hours=24`
 * - `GET /settings`
 * - `POST /notes`    `{ "userId": "…", "text": "…" }` as `application/json`; with an `Idempotency-Key` it can be retried safely
 *
 * Every response names the pod. Errors are `{ "error": { "code", "message" } }`.
 */
export function serveGuildApi(
  request: Request,
  url: URL,
  guildId: string,
  context: BotContext,
): Response | Promise<Response> {
  if (!mayUse(request, guildId, context)) {
    return failure(401, 'unauthorized', 'send the key of the page’s link: Authorization: Bearer <key>');
  }
  const path = url.pathname.slice(`/api/guilds/${guildId}`.length);
  if (path === '/notes') {
    return request.method === 'POST' ? postNote(request, guildId, context) : failure(405, 'method_not_allowed', 'POST');
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return failure(405, 'method_not_allowed', 'GET');
  switch (path) {
    case '':
    case '/':
      return getGuild(guildId, context);
    case '/modlog':
      return getModlog(url.searchParams, guildId, context);
    case '/activity':
      return getActivity(url.searchParams, guildId, context);
    case '/settings':
      return Response.json({ pod: context.pod, settings: readSettings(context.db, guildId) });
    default:
      return failure(404, 'not_found', `there is no ${path}`);
  }
}

function getGuild(guildId: string, context: BotContext): Response {
  const guild = { id: guildId, name: readGuildName(context.db, guildId) };
  const messages24h = readActivity(context.db, guildId, 24, Date.now()).total;
  return Response.json({ pod: context.pod, guild, cases: countCases(context.db, guildId), messages24h });
}

function getModlog(query: URLSearchParams, guildId: string, context: BotContext): Response {
  const kind = query.get('kind');
  const known = CASE_KINDS.find((one) => one === kind);
  if (kind !== null && known === undefined) return failure(400, 'bad_kind', `kind is one of ${CASE_KINDS.join(', ')}`);
  const page = integer(query.get('page'), 1, 1, 1_000_000);
  const perPage = integer(query.get('per_page'), 20, 1, 100);
  if (page === null || perPage === null) {
    return failure(400, 'bad_page', 'page is an integer of 1 or more, per_page one from 1 to 100');
  }
  const log = listCases(context.db, guildId, { kind: known, userId: query.get('user') ?? undefined }, page, perPage);
  return Response.json({ pod: context.pod, ...log });
}

function getActivity(query: URLSearchParams, guildId: string, context: BotContext): Response {
  const hours = integer(query.get('hours'), 24, 1, 720);
  if (hours === null) return failure(400, 'bad_hours', 'hours is an integer from 1 to 720');
  return Response.json({ pod: context.pod, ...readActivity(context.db, guildId, hours, Date.now()) });
}

async function postNote(request: Request, guildId: string, context: BotContext): Promise<Response> {
  // With open pages a browser needs no key, so a page of another site must not write through it.
  if (isCrossSite(request)) return failure(403, 'cross_site', 'a page of another site cannot write notes');
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers.get('content-type') ?? '')) {
    return failure(415, 'not_json', 'send content-type: application/json');
  }
  const body = (await request.json().catch(() => null)) as { userId?: unknown; text?: unknown } | null;
  const userId = body?.userId;
  const text = body?.text;
  if (typeof userId !== 'string' || !/^[1-9]\d{0,19}$/.test(userId)) {
    return failure(400, 'bad_user', 'userId is the id of a member, as a string');
  }
  if (typeof text !== 'string' || text === '' || text.length > 400) {
    return failure(400, 'bad_text', 'text is a string of 1 to 400 characters');
  }
  const number = context.transaction((db) =>
    addCase(db, { guildId, kind: 'note', userId, moderatorId: null, reason: text, createdAt: Date.now() }),
  );
  return Response.json({ pod: context.pod, number }, { status: 201 });
}

function failure(status: number, code: string, message: string): Response {
  return Response.json({ error: { code, message } }, { status });
}

/** An integer within the bounds, the fallback if the parameter is missing, or null if it is invalid. */
function integer(given: string | null, fallback: number, min: number, max: number): number | null {
  if (given === null) return fallback;
  const value = /^\d{1,7}$/.test(given) ? Number(given) : Number.NaN;
  return value >= min && value <= max ? value : null;
}
