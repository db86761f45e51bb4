import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { refusalForOperators } from '../cross-site.ts';
import { errorCode } from '../errors.ts';
import { listen } from '../listen.ts';
import { createServer } from '../node-http.ts';
import type { Logger } from './log.ts';

/** Whether a service can do its work, and if not, why. Each reason is a short sentence. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

export interface AdminServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Answers a GET with JSON. */
export type AdminRoute = (query: URLSearchParams) => unknown;

/**
 * Answers a POST, whose body is JSON, with JSON.
 * @throws GuildwayError REQUEST_INVALID, which says what is wrong with the body
 */
export type AdminAction = (body: unknown) => unknown;

const MAX_BODY = 64 * 1024;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const json = (status: number, value: unknown): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value, null, 2)}\n`,
});

/**
 * Starts the admin port: `/healthz` (this process runs; it checks nothing else, so that a failing neighbour cannot get a
 * healthy pod killed), `/readyz` (200, or 503 with reasons), `/metrics`, and the JSON routes and actions of the services.
 */
export async function startAdminServer(options: {
  port: number;
  /** Null: every address. */
  host: string | null;
  /** Host names that it accepts, besides localhost and IP addresses. */
  hostNames: readonly string[];
  registry: Registry;
  readiness: () => Readiness;
  /** Finds the route of a path. */
  routes?: (path: string) => AdminRoute | undefined;
  /** Finds the action of a path. */
  actions?: (path: string) => AdminAction | undefined;
  /** The paths of all routes and actions, to be listed when another one is asked for. */
  paths?: () => readonly string[];
  log: Logger;
}): Promise<AdminServer> {
  const { registry, readiness, routes = () => undefined, actions = () => undefined, log } = options;
  const listPaths = (): string[] => ['/healthz', '/readyz', '/metrics', ...(options.paths?.() ?? [])];

  async function read(path: string, query: URLSearchParams): Promise<Answer> {
    if (path === '/healthz') return { status: 200, type: 'text/plain', body: 'ok\n' };
    if (path === '/readyz') {
      const state = readiness();
      return json(state.ready ? 200 : 503, state);
    }
    if (path === '/metrics') return { status: 200, type: registry.contentType, body: await registry.metrics() };
    const route = routes(path);
    if (route !== undefined) return json(200, await route(query));
    return json(404, { error: `no ${path}`, paths: listPaths() });
  }

  async function act(action: AdminAction, request: IncomingMessage): Promise<Answer> {
    const body = await readJson(request);
    if (body === undefined) return json(400, { error: `the body must be JSON of at most ${MAX_BODY} bytes` });
    try {
      return json(200, await action(body));
    } catch (error) {
      if (errorCode(error) === 'REQUEST_INVALID') return json(400, { error: (error as Error).message });
      throw error;
    }
  }

  const server = createServer({ requestTimeout: 10_000 }, (request, response) => {
    const { method = 'GET', headers } = request;
    const header = (name: string): string | undefined => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    };
    const refusal = refusalForOperators({ method, header }, options.hostNames);
    if (refusal !== null) {
      response.writeHead(refusal.status, { 'content-type': 'application/json' });
      response.end(`${JSON.stringify({ error: refusal.error })}\n`);
      return;
    }
    const [path, query] = partsOf(request.url ?? '/');
    const reads = method === 'GET' || method === 'HEAD';
    const action = reads ? undefined : actions(path);
    if (!reads && (method !== 'POST' || action === undefined)) {
      response.writeHead(405, { allow: actions(path) === undefined ? 'GET, HEAD' : 'POST' }).end();
      return;
    }
    (action === undefined ? read(path, query) : act(action, request)).then(
      ({ status, type, body }) =>
        response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body),
      (error: unknown) => {
        log.error({ err: error, path }, 'admin request failed');
        response.writeHead(500).end();
      },
    );
  });
  await listen(server, { port: options.port, host: options.host, variable: 'ADMIN_PORT' });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function partsOf(target: string): [path: string, query: URLSearchParams] {
  const at = target.indexOf('?');
  return at === -1 ? [target, new URLSearchParams()] : [target.slice(0, at), new URLSearchParams(target.slice(at + 1))];
}

/** Undefined if the body is not JSON, or too long. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return undefined;
  }
}
