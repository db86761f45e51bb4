import type { HeaderList } from '../../link/message.ts';
import { after, type Duration, type MonotonicTime } from '../../time.ts';
import type { EdgeRequest } from '../inbound/edge-request.ts';
import { fieldValue, type RequestHeaders } from '../inbound/headers.ts';
import { wantsHtml } from '../inbound/reply.ts';
import type { BodyStream, ForwardedRequestInit } from '../outbound/forwarded-request.ts';
import type { Repeatable } from '../outbound/retry-policy.ts';

const EMPTY = Buffer.alloc(0);
export const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
/** A browser shows within 3 s what is wrong: no attempt to reach a pod that is away starts after this. */
const PAGE_PATIENCE_MS = 2_000;

/** Where a request goes. */
export interface Route {
  /** Null: no guild. */
  readonly guildId: string | null;
  /** Any pod may answer it. */
  readonly anyPod: boolean;
  /** Request or response stream: over plain HTTP even where there is a link. */
  readonly streams: boolean;
}

export interface RoutedRequestOptions {
  readonly requestTimeoutMs: Duration;
  readonly headersFor: RequestHeaders;
}

/** What is sent of a client's request. Most of it is computed when it is read, because the link needs little of it. */
export class RoutedRequest implements ForwardedRequestInit {
  readonly headers: HeaderList;
  readonly deadlineAt: MonotonicTime;
  readonly #request: EdgeRequest;
  readonly #route: Route;
  readonly #body: Buffer | null;
  readonly #options: RoutedRequestOptions;

  /** @param body null: it streams from the client */
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

  /** A body that streams is sent once. Other requests may arrive twice if their method or their key allows it. */
  get repeatable(): Repeatable {
    const { method, fields } = this.#request;
    const safe = SAFE_METHODS.has(method) || fieldValue(fields, 'idempotency-key') !== undefined;
    return safe && this.#body !== null ? 'always' : 'never';
  }
}
