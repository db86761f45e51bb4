/**
 * The API of the console page: JSON over HTTP below `/console/api`. Bodies need `content-type: application/json`.
 * An error is `{ "error": "…" }` with status 400, 403, 404 or 415. Snowflakes are strings. Requests from pages of other sites get
 * 403, as does a `Host` that is not an IP address, localhost or one of `consoleHosts`.
 *
 * GET  /info                          { applicationId, publicKey, apiUrl, interactionsUrl, eventWebhookUrl, bot, guilds }
 * GET  /guilds?query=&limit=&offset=  { total, guilds: [{ id, name, memberCount }] }
 * GET  /guilds/:guild                 { id, name, channels: [{ id, name }], users: [{ id, username, displayName, role }] }
 *                                     role: owner, admin, moderator or member
 * GET  /guilds/:guild/commands?user=  [ command as registered + { permitted: whether this user may use it } ]
 * GET  /direct?user=                  { id, name, channels, users }: like a guild, for direct messages
 * GET  /channels/:channel/messages?user=&limit=
 *                                     [ message as Discord's API returns it ], oldest first, including those visible to this user only
 * POST /messages      { guildId, channelId, userId, content }                      -> { messageId }
 * POST /commands      { guildId, channelId, userId, name, options?, type?, targetId? } -> Reply
 *                     options by name: { "user": "123" }; a subcommand: { "add": { "user": "123" } }
 * POST /autocomplete  { guildId, channelId, userId, name, options, focused }       -> Reply, with choices
 * POST /components    { guildId, channelId, userId, messageId, customId, values? } -> Reply
 * POST /modals        { guildId, channelId, userId, customId, fields }             -> Reply
 *     Reply: { id, type, guildId, channelId, userId, name, via, outcome, status, responseType, elapsedMs, problem,
 *              pod, httpPod, messageId, message, modal, choices }
 *     outcome: answered, deferred, timeout, invalid or error; pod and httpPod: the pods that responded, or null;
 *     message: @original or null; modal: the modal to open, as in Discord's response data, or null;
 *     choices: [{ name, value }] or null. A deferred interaction completes later: event `completed`, then `message_update`.
 * GET  /interactions                  [ the last 200 Replies without message, modal and choices ], newest first; a completed
 *                                     deferred one has completedMs
 * GET  /sessions                      [{ sessionId, shard, numShards, connected, seq, intents, properties, resumes, … }]
 * POST /gateway       { action, shard?, sessionId?, code?, resumable? }            -> { affected }
 *     action: drop | reconnect (op 7) | invalidate (op 9, resumable) | close (code) | pause-acks | request-heartbeat |
 *             forget; without shard and sessionId: every session
 * GET  /misbehave, POST /misbehave    { slowMs?, inlineDelayMs?, resumeUrlDead?, rateLimit?: { route, retryAfterMs?, scope? },
 *                                       fail?: { route, status, times? }, reset?: true } -> the state as GET shows it
 *     route: as in /stats `requests`, or `*`
 * GET  /stats, /violations, /calls    counters; violations of rules; the last REST requests
 * GET  /cluster                     the gateway pods as ClusterView (cluster-control.ts) describes them; null if they are unknown
 * POST /cluster       { gatewayPods }  begins to change their number               -> as GET /cluster
 * POST /settings      { interactionsUrl?, eventWebhookUrl? }                       -> as /info
 * POST /probe                         sends a wrong signature                      -> { status }
 * POST /webhook-events { type, data? }                                             -> { acknowledged, attempts, status }
 * POST /raw           { payload, headers? }                                        -> Reply
 * GET  /events                        server-sent events. `data` is JSON with a field `type`, also the event's name:
 *     message, message_update         { guildId, visibleTo: user id or null, message }
 *     message_delete                  { guildId, channelId, messageId }
 *     interaction                     { interaction: Reply without message, modal and choices }
 *     completed                       { id, elapsedMs, messageId }: a deferred interaction was completed
 *     gateway                         { event: identified | resumed | disconnected | session_ended, shard, numShards, sessionId, code? }
 *     commands                        { guildId: null for global ones, count }
 *     webhook                         { event, attempts, acknowledged }
 *     violation                       { rule, detail }
 *     unknown_route                   { route }: the first request to a route that is not simulated
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type HeaderReader, refusalForOperators } from '../../../src/cross-site.ts';
import { readBody } from '../rest/body.ts';
import { DiscordError } from '../rest/errors.ts';
import type { DiscordSimulator } from '../simulator.ts';
import type { FileStore } from '../store/files.ts';
import { EventStream } from './event-stream.ts';
import { RecentInteractions } from './recent-interactions.ts';
import { ConsoleRefusal, type ConsoleReply, type ConsoleRoutes, consoleRoutes } from './routes.ts';
import { serveStatic } from './static-files.ts';

const PREFIX = '/console/api';

/** Serves the console page, its API, and the files attached to messages. */
export class ConsoleApi {
  readonly #routes: ConsoleRoutes;
  readonly #files: FileStore;
  readonly #hosts: readonly string[];
  readonly #stream: EventStream;
  readonly #recent: RecentInteractions;

  /** @param hosts accepted host names of the console, in addition to localhost and IP addresses */
  constructor(simulator: DiscordSimulator, files: FileStore, hosts: readonly string[]) {
    this.#files = files;
    this.#hosts = hosts;
    this.#stream = new EventStream(simulator);
    this.#recent = new RecentInteractions(simulator);
    this.#routes = consoleRoutes(simulator, this.#recent);
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = URL.parse(request.url ?? '/', 'http://console');
    if (url === null) return sendJson(response, 400, { error: 'not a URL' });
    const { pathname } = url;
    // Before the check of `Host`: bots download attachments under any host name.
    if (pathname.startsWith('/attachments/')) return this.#serveFile(response, pathname);
    const refusal = refusalForOperators({ method: request.method ?? 'GET', header: headerOf(request) }, this.#hosts);
    if (refusal !== null) {
      request.resume();
      return sendJson(response, refusal.status, { error: refusal.error });
    }
    if (!pathname.startsWith(`${PREFIX}/`)) return serveStatic(request, response, pathname);
    this.#recent.start();
    if (pathname === `${PREFIX}/events`) return this.#stream.serve(request, response);
    const { status, body } = await this.#answer(request, url);
    sendJson(response, status, body);
  }

  stop(): void {
    this.#recent.stop();
    this.#stream.stop();
  }

  async #answer(request: IncomingMessage, url: URL): Promise<{ status: number; body: unknown }> {
    const method = request.method ?? 'GET';
    try {
      const { json } = await readBody(request);
      return { status: 200, body: await this.#route(method, url, (json ?? {}) as Record<string, unknown>) };
    } catch (error) {
      if (error instanceof ConsoleRefusal) return { status: error.status, body: { error: error.message } };
      if (error instanceof DiscordError) return { status: 400, body: { error: error.message } };
      // Builders throw if the user cannot do this: the component does not exist, or the message is not visible.
      return { status: 400, body: { error: error instanceof Error ? error.message : String(error) } };
    }
  }

  #route(method: string, url: URL, body: Record<string, unknown>): ConsoleReply {
    const parts = url.pathname.slice(PREFIX.length + 1).split('/');
    const pattern = parts.map((part) => (/^\d+$/.test(part) ? ':id' : part)).join('/');
    const handle = this.#routes[`${method} /${pattern}`];
    if (handle === undefined) throw new ConsoleRefusal(404, `no ${method} ${url.pathname}`);
    return handle({ id: parts.find((part) => /^\d+$/.test(part)) ?? '', query: url.searchParams, body });
  }

  #serveFile(response: ServerResponse, path: string): void {
    const file = this.#files.get(path);
    if (file === undefined) {
      sendJson(response, 404, { error: 'no such file' });
      return;
    }
    response.writeHead(200, {
      'content-type': file.contentType,
      'x-content-type-options': 'nosniff',
      // An HTML file from a bot must not run with the console's origin.
      'content-security-policy':
        "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'",
    });
    response.end(file.content);
  }
}

const headerOf = (request: IncomingMessage): HeaderReader => {
  return (name) => {
    const value = request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  };
};

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}
