import type { IncomingMessage, ServerResponse } from 'node:http';
import { errorFacts } from '../../observability/error-facts.ts';
import type { ThrottledLog } from '../../observability/throttled-log.ts';
import { type CallbackRoute, readLimited } from './callback-route.ts';
import type { Callbacks } from './callbacks.ts';
import type { CommandRoutes } from './command-routes.ts';
import { type DiscordProxy, fieldsOf } from './discord-proxy.ts';
import { sendError, sendJson, sendWhole } from './rest-response.ts';

const CALLBACK = /^\/interactions\/(\d+)\/([^/]+)\/callback$/;
const WEBHOOK = /^\/webhooks\/\d+\/([^/]+)/;
/** Discord's limit of a message with files. */
const MAX_BODY = 100 * 1024 * 1024;

export interface LocalRestOptions {
  readonly proxy: DiscordProxy;
  readonly callbacks: Callbacks;
  readonly callbackRoute: CallbackRoute;
  readonly commands: CommandRoutes;
  readonly log: ThrottledLog;
}

/** Discord's REST API as the bot sees it: everything passes, except for what the pod answers itself. */
export class LocalRest {
  readonly #options: LocalRestOptions;

  constructor(options: LocalRestOptions) {
    this.#options = options;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#serve(request, response).catch((error: unknown) => {
      const { method, url = '' } = request;
      this.#options.log.warn({ err: errorFacts(error), method, path: pathOf(url) }, 'a request of the bot failed');
      if (response.headersSent) response.destroy();
      else sendError(response, 502, 0, 'Discord did not answer');
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { proxy, callbacks, callbackRoute, commands } = this.#options;
    const { method = 'GET', url = '/' } = request;
    if (!/^\/api(?:\/|$)/.test(url)) {
      request.resume();
      sendError(response, 404, 0, '404: Not Found');
      return;
    }
    const target = url.slice('/api'.length);
    const path = pathOf(target);
    const callback = method === 'POST' ? CALLBACK.exec(path) : null;
    if (callback !== null) {
      const [, id = '', token = ''] = callback;
      await callbackRoute.serve({ request, response, id, token: decoded(token), target });
      return;
    }
    if (method === 'GET' && (path === '/gateway' || path === '/gateway/bot')) {
      sendJson(response, 200, gatewayOf(request, path));
      return;
    }
    const token = WEBHOOK.exec(path)?.[1];
    const isEarly = (): boolean => token !== undefined && callbacks.isEarly(decoded(token));
    const isOthers = commands.isOthers(method, path);
    if (!isOthers && !isEarly()) {
      await proxy.pass(request, response, target);
      return;
    }
    const body = await readLimited(request, MAX_BODY);
    if (body === null) {
      sendError(response, 413, 40005, 'Request entity too large');
      return;
    }
    const whole = { method, target, headers: fieldsOf(request), body: body.length === 0 ? null : body };
    const own = isOthers ? await commands.readBack(whole, path) : null;
    sendWhole(response, own ?? (await proxy.fetchEarly(whole, isEarly)));
  }
}

/** The path without version and query. */
const pathOf = (target: string): string => (target.split('?', 1)[0] as string).replace(/^\/v\d+(?=\/)/, '');

/** Some libraries encode the token of a path, others do not. */
function decoded(token: string): string {
  try {
    return decodeURIComponent(token);
  } catch {
    return token;
  }
}

/** One shard, and no limit on identifies worth waiting for: those of the bot reach this pod only. */
function gatewayOf({ headers }: IncomingMessage, path: string): unknown {
  const url = `ws://${headers.host ?? '127.0.0.1'}`;
  if (path === '/gateway') return { url };
  const limit = { total: 1_000, remaining: 1_000, reset_after: 0, max_concurrency: 16 };
  return { url, shards: 1, session_start_limit: limit };
}
