import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { refusalForOperators } from '../cross-site.ts';
import type { Logger } from './log.ts';

/** Whether a service can do its work now and, if not, why: each reason is one short sentence. */
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
 * Starts the admin port: `/healthz` (this process runs; looks at nothing else, so that a sick neighbour cannot get a healthy
 * pod killed), `/readyz` (200 or 503 with reasons), `/metrics`, and the services' own JSON routes.
 */
export async function startAdminServer(options: {
  port: number;
  /** Null: every address. */
  host: string | null;
  /** Names under which it is reached, beside localhost and IP addresses. */
  hostNames: readonly string[];
  registry: Registry;
  readiness: () => Readiness;
  /** Finds the route of a path. */
  routes?: (path: string) => AdminRoute | undefined;
  log: Logger;
}): Promise<AdminServer> {
  const { registry, readiness, routes = () => undefined, log } = options;

  async function answer(target: string): Promise<{ status: number; type: string; body: string }> {
    const at = target.indexOf('?');
    const path = at === -1 ? target : target.slice(0, at);
    const json = (status: number, value: unknown) => ({
      status,
      type: 'application/json',
      body: `${JSON.stringify(value, null, 2)}\n`,
    });
    if (path === '/healthz') return { status: 200, type: 'text/plain', body: 'ok\n' };
    if (path === '/readyz') {
      const state = readiness();
      return json(state.ready ? 200 : 503, state);
    }
    if (path === '/metrics') return { status: 200, type: registry.contentType, body: await registry.metrics() };
    const route = routes(path);
    if (route !== undefined) return json(200, await route(new URLSearchParams(at === -1 ? '' : target.slice(at + 1))));
    return json(404, { error: `no ${path}`, paths: ['/healthz', '/readyz', '/metrics'] });
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
    if (method !== 'GET' && method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end();
      return;
    }
    answer(request.url ?? '/').then(
      ({ status, type, body }) =>
        response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body),
      (error: unknown) => {
        log.error({ err: error, path: request.url }, 'admin request failed');
        response.writeHead(500).end();
      },
    );
  });
  server.listen(options.port, options.host ?? undefined);
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve);
    server.once('error', reject);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
