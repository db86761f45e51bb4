import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Misbehaviour } from '../misbehaviour.ts';
import type { Grants } from '../store/grants.ts';
import type { UnknownRequests } from '../unknown.ts';
import type { Violations } from '../violations.ts';
import type { Access } from './access.ts';
import { type RestBody, readBody } from './body.ts';
import { DiscordError } from './errors.ts';
import { fieldsWithoutEffect } from './fields.ts';
import { RateLimits } from './rate-limits.ts';
import { type Bearer, type Match, type RestReply, type Route, Router } from './router.ts';
import { RestTraffic, redactPath, unknownRoute } from './traffic.ts';

interface RestApiParts {
  readonly routes: readonly Route[];
  readonly misbehaviour: Misbehaviour;
  readonly violations: Violations;
  readonly globalRequestsPerSecond: number;
  readonly token: () => string;
  readonly access: Access;
  readonly grants: Grants;
  readonly unknown: UnknownRequests;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

const VERSION = /^\/api(?:\/v(\d+))?(\/[^?]*)?(?:\?(.*))?$/;
const UNKNOWN_ROUTE: Answer = { status: 404, body: { message: '404: Not Found', code: 0 } };

/** Discord's REST API below `/api`: authorization, limits and errors around the routes. */
export class RestApi {
  readonly traffic = new RestTraffic();
  readonly #parts: RestApiParts;
  readonly #router: Router;
  readonly #limits: RateLimits;

  constructor(parts: RestApiParts) {
    this.#parts = parts;
    this.#router = new Router(parts.routes);
    this.#limits = new RateLimits(parts.globalRequestsPerSecond);
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const [, version, path = '/', query = ''] = VERSION.exec(request.url ?? '') ?? [];
    const match = this.#router.match(request.method ?? 'GET', path);
    const address = request.socket.remoteAddress ?? '';
    let answer: Answer;
    let bytes = 0;
    const blockedFor = this.#limits.blocked(address, started);
    if (blockedFor > 0) {
      answer = { status: 429, headers: { 'retry-after': String(blockedFor) }, body: { message: 'error code: 1015' } };
      request.resume();
    } else if (version !== undefined && version !== '10' && version !== '9') {
      answer = { status: 400, body: { message: 'Invalid API version', code: 50041 } };
      request.resume();
    } else {
      try {
        // Always reads the whole body. An earlier response would break the connection.
        const body = await readBody(request);
        bytes = body.bytes;
        answer = await this.#answer(request, match, body, query);
      } catch (error) {
        answer = failure(error);
      }
    }
    const { misbehaviour } = this.#parts;
    if (misbehaviour.slowMs > 0) await misbehaviour.pause(misbehaviour.slowMs);
    this.#countInvalid(answer.status, address);
    send(response, answer);
    this.traffic.add({
      at: Date.now(),
      route: match?.name ?? `${request.method} (unknown)`,
      path: redactPath(path),
      status: answer.status,
      elapsedMs: performance.now() - started,
      bytes,
    });
  }

  async #answer(request: IncomingMessage, match: Match | null, body: RestBody, query: string): Promise<Answer> {
    if (match === null) return this.#unknown(request);
    const { misbehaviour, violations, token, unknown } = this.#parts;
    const { route, name, params } = match;
    const injected = misbehaviour.take(name);
    if (injected !== null) return injected;
    const { authorization } = request.headers;
    const bearer = route.auth === 'user' ? this.#bearer(authorization) : null;
    const needsBot = route.auth === 'bot' || (route.auth === 'user' && bearer === null);
    if (needsBot && authorization !== `Bot ${token()}`) {
      violations.record('unauthorized', name);
      return { status: 401, body: { message: '401: Unauthorized', code: 0 } };
    }
    const now = performance.now();
    if (needsBot) {
      const verdict = this.#limits.global(now);
      if (!verdict.allowed) {
        violations.record('global_rate_limit', name);
        return limited(verdict.headers, verdict.retryAfter, 'global');
      }
    }
    let headers: Readonly<Record<string, string>> | undefined;
    if (route.limit !== undefined) {
      const verdict = this.#limits.route(name, params[route.limit.by] ?? '', route.limit, now);
      headers = verdict.headers;
      if (!verdict.allowed) {
        violations.record('route_rate_limit', name);
        return limited(verdict.headers, verdict.retryAfter, 'user');
      }
    }
    const given = {
      params,
      query: new URLSearchParams(query),
      json: body.json,
      files: body.files,
      reason: auditLogReason(request),
      host: request.headers.host ?? '127.0.0.1',
      authorization,
      bearer,
    };
    for (const field of fieldsWithoutEffect(name, body.json)) unknown.add(`${name}: ${field}`);
    const handled = await Promise.resolve()
      .then(() => route.handle({ ...given, granted: this.#parts.access.check(name, given) }))
      .catch(failure);
    return headers === undefined ? handled : { ...handled, headers: { ...headers, ...handled.headers } };
  }

  #bearer(authorization = ''): Bearer | null {
    return authorization.startsWith('Bearer ') ? this.#parts.grants.find(authorization.slice(7)) : null;
  }

  #unknown({ method = 'GET', url = '' }: IncomingMessage): Answer {
    this.#parts.unknown.add(unknownRoute(method, VERSION.exec(url)?.[2] ?? url));
    return UNKNOWN_ROUTE;
  }

  #countInvalid(status: number, address: string): void {
    if (status !== 401 && status !== 403 && status !== 429) return;
    if (this.#limits.invalid(address, performance.now())) this.#parts.violations.record('invalid_requests', address);
  }
}

/** The audit log reason, which clients send percent-encoded. */
function auditLogReason(request: IncomingMessage): string | null {
  const raw = request.headers['x-audit-log-reason'];
  if (typeof raw !== 'string') return null;
  try {
    return decodeURIComponent(raw);
  } catch {
    return raw;
  }
}

function limited(headers: Readonly<Record<string, string>>, retryAfter: number, scope: 'global' | 'user'): Answer {
  return {
    status: 429,
    headers,
    body: { message: 'You are being rate limited.', retry_after: retryAfter, global: scope === 'global' },
  };
}

function failure(error: unknown): RestReply {
  if (error instanceof DiscordError) return { status: error.status, body: error.body };
  return { status: 500, body: { message: `500: Internal Server Error (${String(error)})`, code: 0 } };
}

/** Discord's responses pass a proxy. Without this header, libraries treat a 429 as a ban of the address. */
const VIA = { via: '1.1 google' };

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  if (body === undefined) {
    response.writeHead(status, { ...VIA, ...headers });
    response.end();
    return;
  }
  const content = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': content.length,
    ...VIA,
    ...headers,
  });
  response.end(content);
}
