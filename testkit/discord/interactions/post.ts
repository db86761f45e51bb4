import { Pool } from 'undici';

export interface PostReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A request ended without a response. `timeout`: the deadline passed; `error`: the connection failed. */
export class PostFailure extends Error {
  override readonly name = 'PostFailure';
  readonly kind: 'timeout' | 'error';

  constructor(kind: 'timeout' | 'error', cause: unknown) {
    const code = (cause as { code?: unknown }).code;
    super(kind === 'timeout' ? 'no response in time' : typeof code === 'string' ? code : String(cause), { cause });
    this.kind = kind;
  }
}

/**
 * The number of pools that take requests in turn. With one pool, a slow sender would use one connection, and so reach only one of
 * several processes that share a port.
 */
const POOLS = 8;

/** Posts to one URL over persistent connections. */
export class Poster {
  readonly url: string;
  readonly #path: string;
  readonly #pools: Pool[];
  #next = 0;

  constructor(url: string) {
    const { origin, pathname, search } = new URL(url);
    this.url = url;
    this.#path = pathname + search;
    this.#pools = Array.from(
      { length: POOLS },
      () => new Pool(origin, { connections: 64, headersTimeout: 0, bodyTimeout: 0, connectTimeout: 3000 }),
    );
  }

  /** @throws PostFailure */
  async post(body: Buffer, headers: Record<string, string>, timeoutMs: number): Promise<PostReply> {
    const pool = this.#pools[this.#next++ % POOLS] as Pool;
    const controller = new AbortController();
    // Not in the timer itself: in a busy process the timer may fire before a response that has already arrived is read.
    const timer = setTimeout(() => setImmediate(() => controller.abort()), timeoutMs);
    try {
      const reply = await pool.request({
        path: this.#path,
        method: 'POST',
        headers,
        body,
        signal: controller.signal,
      });
      const content = Buffer.from(await reply.body.arrayBuffer());
      return { status: reply.statusCode, headers: flatten(reply.headers), body: content };
    } catch (error) {
      throw new PostFailure(controller.signal.aborted ? 'timeout' : 'error', error);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.destroy()));
  }
}

/** A URL to post to, which can change or be null. */
export class PostTarget {
  #poster: Poster | null = null;

  get poster(): Poster | null {
    return this.#poster;
  }

  get url(): string | null {
    return this.#poster?.url ?? null;
  }

  /** @throws TypeError if `url` is not a URL */
  setUrl(url: string | null): void {
    if (url === this.url) return;
    const next = url === null ? null : new Poster(url);
    void this.#poster?.close();
    this.#poster = next;
  }

  async close(): Promise<void> {
    await this.#poster?.close();
  }
}

function flatten(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    flat[name] = Array.isArray(value) ? value.join(', ') : (value ?? '');
  }
  return flat;
}
