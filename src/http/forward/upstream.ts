import { Pool } from 'undici';
import { type ErrorCode, GuildwayError } from '../../errors.ts';
import { signPlainRequest } from '../../link/auth.ts';
import { type Done, LinkClient, type LinkClientOptions } from '../../link/client.ts';
import { type GatewayRequest, type GatewayResponse, HEADER } from '../../link/message.ts';
import type { Breaker } from '../policy/breaker.ts';

export interface UpstreamOptions extends Omit<LinkClientOptions, 'secret'> {
  /** Null: plain HTTP only. */
  readonly secret: string | null;
  readonly breaker: Breaker;
}

/** Connections that plain HTTP may use at once; further requests wait for one. */
const PLAIN_CONNECTIONS = 256;

/** Failures of plain HTTP that happen before anything is sent. */
const NEVER_SENT = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'UND_ERR_CONNECT_TIMEOUT'],
  ...['ERR_TLS_CERT_ALTNAME_INVALID', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
]);

/** One gateway pod as an HTTP pod sees it: the link, plain HTTP beside it, and whether it has been answering. */
export class Upstream {
  readonly ordinal: number;
  readonly url: string;
  readonly breaker: Breaker;
  readonly link: LinkClient | null;
  readonly plain: Pool;
  readonly #secret: string | null;

  constructor(options: UpstreamOptions) {
    const { secret, ordinal, url } = options;
    this.ordinal = ordinal;
    this.url = url;
    this.breaker = options.breaker;
    this.#secret = secret;
    this.link = secret === null ? null : new LinkClient({ ...options, secret });
    this.plain = new Pool(url, {
      connections: PLAIN_CONNECTIONS,
      connect: { timeout: options.connectTimeoutMs },
      bodyTimeout: 0,
      headersTimeout: 0,
    });
  }

  /** Headers that a plain request to this pod needs beside its own. */
  plainHeaders(method: string, target: string, timeoutMs: number): string[] {
    const list = [HEADER.deadlineMs, String(Math.max(1, Math.floor(timeoutMs)))];
    if (this.#secret !== null) list.push(HEADER.auth, signPlainRequest(this.#secret, this.ordinal, method, target));
    return list;
  }

  /**
   * Sends a whole request and gives its whole response, over the link where the pod knows it.
   * @throws GuildwayError with `facts.sent`
   */
  async request(request: GatewayRequest, timeoutMs: number): Promise<GatewayResponse> {
    if (this.link === null || this.link.state === 'plain') return this.#plainRequest(request, timeoutMs);
    const start = performance.now();
    const kind = await within(this.link.connect(), timeoutMs, () =>
      this.error('LINK_UNAVAILABLE', 'no connection in time', false),
    );
    const left = timeoutMs - (performance.now() - start);
    if (kind === 'plain') return this.#plainRequest(request, left);
    return new Promise((resolve, reject) => {
      const done: Done = (error, response) => (response === null ? reject(error) : resolve(response));
      this.link?.send(request, left, done);
    });
  }

  async #plainRequest({ method, target, headers, body }: GatewayRequest, timeoutMs: number): Promise<GatewayResponse> {
    try {
      const response = await this.plain.request({
        method: method as 'GET',
        path: target,
        headers: [...headers, ...this.plainHeaders(method, target, timeoutMs)],
        body: body.length === 0 ? null : body,
        responseHeaders: 'raw',
        signal: AbortSignal.timeout(Math.max(1, Math.floor(timeoutMs))),
      });
      const list = (response.headers as unknown as (string | Buffer)[]).map((part, i) =>
        i % 2 === 0 ? String(part).toLowerCase() : part.toString('latin1'),
      );
      return { status: response.statusCode, headers: list, body: Buffer.from(await response.body.arrayBuffer()) };
    } catch (cause) {
      throw this.plainError(cause);
    }
  }

  /** Says of a failure of plain HTTP whether the request can have reached the pod. */
  plainError(cause: unknown): GuildwayError {
    const { code, name, message } = cause as NodeJS.ErrnoException;
    if (name === 'TimeoutError') return this.error('DEADLINE_EXCEEDED', 'no answer in time', true, cause);
    if (code !== undefined && NEVER_SENT.has(code)) return this.error('LINK_UNAVAILABLE', message, false, cause);
    return this.error('LINK_LOST', message, true, cause);
  }

  error(code: ErrorCode, why: string, sent: boolean, cause?: unknown): GuildwayError {
    return new GuildwayError(code, `gateway pod ${this.ordinal}: ${why}`, {
      cause,
      facts: { ordinal: this.ordinal, sent },
    });
  }

  async close(): Promise<void> {
    this.link?.close();
    await this.plain.destroy();
  }
}

function within<T>(promise: Promise<T>, timeoutMs: number, error: () => GuildwayError): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(error()), timeoutMs);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
