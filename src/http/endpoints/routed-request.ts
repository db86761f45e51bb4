import type { HeaderList } from '../../link/message.ts';
import { after, type Duration, type MonotonicTime } from '../../time.ts';
import type { EdgeRequest } from '../inbound/edge-request.ts';
import { fieldValue, type RequestHeaders } from '../inbound/headers.ts';
import { wantsHtml } from '../inbound/reply.ts';
import type { BodyStream, ForwardedRequestInit } from '../outbound/forwarded-request.ts';
import type { Repeatable } from '../outbound/retry-policy.ts';

const EMPTY = Buffer.alloc(0);
export const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** No attempt to reach an absent pod starts after this, so that a browser shows the error within 3 s. */
const PAGE_PATIENCE_MS = 2_000;

/** The destination of a request. */
export interface Route {
  /** Null: no guild. */
  readonly guildId: string | null;
  /** Any pod may handle it. */
  readonly anyPod: boolean;
  /** The request or response streams, so the request uses plain HTTP even if there is a link. */
  readonly streams: boolean;
}

export interface RoutedRequestOptions {
  readonly requestTimeoutMs: Duration;
  readonly headersFor: RequestHeaders;
}

/** The forwarded form of a client's request. Most properties are computed on demand, because the link needs few of them. */
export class RoutedRequest implements ForwardedRequestInit {
  readonly headers: HeaderList;
  readonly deadlineAt: MonotonicTime;
  readonly #request: EdgeRequest;
  readonly #route: Route;
  readonly #body: Buffer | null;
  readonly #options: RoutedRequestOptions;

  /** @param body null if it streams from the client */
  constructor(request: EdgeRequest, route: Route, body: Buffer | null, options: RoutedRequestOptions) {
    this.headers = options.headersFor(request);
    this.deadlineAt = after(request.startedAt, options.requestTimeoutMs);
    this.#request = request;
    this.#route = route;
    this.#body = body;
    this.#options = options;
  }

  get method(): string {
    return this.#request.method;
  }

  get target(): string {
    return this.#request.url;
  }

  get body(): Buffer {
    return this.#body ?? EMPTY;
  }

  get transport(): 'link' | 'plain' {
    return this.#route.streams ? 'plain' : 'link';
  }

  get upload(): BodyStream | null {
    return this.#body === null ? this.#request.stream : null;
  }

  get whole(): boolean {
    return this.#request.stream === null;
  }

  get anyPod(): boolean {
    return this.#route.anyPod;
  }

  get attemptsUntil(): MonotonicTime {
    const isPage = this.#options.requestTimeoutMs > PAGE_PATIENCE_MS && wantsHtml(this.#request);
    return isPage ? after(this.#request.startedAt, PAGE_PATIENCE_MS) : this.deadlineAt;
  }

  /** A streamed body is sent once. Other requests may be retried if their method or their key allows it. */
  get repeatable(): Repeatable {
    const { method, fields } = this.#request;
    const safe = SAFE_METHODS.has(method) || fieldValue(fields, 'idempotency-key') !== undefined;
    return safe && this.#body !== null ? 'always' : 'never';
  }
}
