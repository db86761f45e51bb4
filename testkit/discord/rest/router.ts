import type { UploadedFile } from '../store/files.ts';

export interface RestRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Parsed JSON, or undefined without a body. */
  readonly json: unknown;
  readonly files: readonly UploadedFile[];
  /** `X-Audit-Log-Reason`, or null. */
  readonly reason: string | null;
  /** The `Host` of the request. */
  readonly host: string;
  /** The bot's permissions in the guild or channel of the path; all outside of guilds. */
  readonly granted: bigint;
  /** The `Authorization` header. */
  readonly authorization: string | undefined;
  /** The user of a `Bearer` token; null for the bot. */
  readonly bearer: Bearer | null;
}

/** A user's token from OAuth2. */
export interface Bearer {
  readonly userId: string;
  readonly scopes: readonly string[];
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

export interface RestReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; undefined sends no body. */
  readonly body?: unknown;
}

/** The rate limit of a route, counted separately for each value of a path parameter. */
export interface RouteLimit {
  readonly by: string;
  readonly limit: number;
  readonly windowMs: number;
}

export interface Route {
  readonly method: string;
  /** The path after the version: `/channels/:channel/messages`. */
  readonly path: string;
  /**
   * `bot`: needs the bot's token and counts towards the global limit. `user`: takes a user's token from OAuth2, too. `token`: the path
   * contains a token.
   */
  readonly auth: 'bot' | 'user' | 'token' | 'none';
  readonly limit?: RouteLimit;
  handle(request: RestRequest): RestReply | Promise<RestReply>;
}

export interface Match {
  readonly route: Route;
  /** The route's name in counters and logs: `POST /channels/:channel/messages`. */
  readonly name: string;
  readonly params: Readonly<Record<string, string>>;
}

interface Compiled {
  readonly route: Route;
  readonly name: string;
  readonly segments: readonly string[];
}

/** Finds a route by method and path. Literal segments take precedence over parameters. */
export class Router {
  /** By method, first segment and number of segments, so that few candidates remain. */
  readonly #routes = new Map<string, Compiled[]>();

  constructor(routes: Iterable<Route>) {
    for (const route of routes) {
      const segments = route.path.split('/').slice(1);
      const key = bucketKey(route.method, segments);
      const list = this.#routes.get(key) ?? [];
      list.push({ route, segments, name: `${route.method} ${route.path}` });
      list.sort((a, b) => parameters(a) - parameters(b));
      this.#routes.set(key, list);
    }
  }

  /** @param path without query, still percent-encoded */
  match(method: string, path: string): Match | null {
    const segments = path.split('/').slice(1);
    const candidates = this.#routes.get(bucketKey(method, segments));
    if (candidates === undefined) return null;
    for (const { route, name, segments: pattern } of candidates) {
      const params: Record<string, string> = {};
      const fits = pattern.every((part, index) => {
        const segment = segments[index] as string;
        if (!part.startsWith(':')) return part === decode(segment);
        params[part.slice(1)] = decode(segment);
        return true;
      });
      if (fits) return { route, name, params };
    }
    return null;
  }
}

const parameters = ({ segments }: Compiled): number => segments.filter((part) => part.startsWith(':')).length;

const bucketKey = (method: string, segments: readonly string[]): string =>
  `${method} ${segments[0]} ${segments.length}`;

/** Clients send `@original` as `%40original`. */
function decode(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
