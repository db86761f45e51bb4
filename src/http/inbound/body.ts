import type { IncomingMessage, ServerResponse } from 'node:http';
import { GuildwayError } from '../../errors.ts';
import { type MonotonicClock, type MonotonicTime, monotonicNow } from '../../time.ts';
import { BodyAllowance, type BodyUse } from './body-allowance.ts';

const EMPTY = Buffer.alloc(0);
/** A body that is still being sent after this gives way to one for which there is no room. */
const SLOW_MS = 1_000;

const overloaded = (): GuildwayError =>
  new GuildwayError('OVERLOADED', 'too many request bodies are being read at once');

export const bodyTooLarge = (limit: number): GuildwayError =>
  new GuildwayError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes`);

/** A body that is being sent. */
interface Upload {
  readonly use: BodyUse;
  readonly startedAt: MonotonicTime;
  readonly fail: (error: GuildwayError) => void;
}

/**
 * Reads whole bodies, together up to a bound: thousands of clients that each send a body within its limit, slowly, or to an
 * owner that is away, would otherwise be held in memory all at once.
 */
export class BodyReader {
  readonly #allowance: BodyAllowance;
  readonly #now: MonotonicClock;
  /** In the order in which they began. */
  readonly #uploads = new Set<Upload>();

  constructor(maxHeldBytes: number, now: MonotonicClock = monotonicNow) {
    this.#now = now;
    this.#allowance = new BodyAllowance(maxHeldBytes);
  }

  /**
   * Counts a body as held that has been read already.
   * @returns what releases it
   * @throws GuildwayError OVERLOADED when too much is held already
   */
  hold(length: number, use: BodyUse): () => void {
    this.#take(use, length);
    return () => this.#allowance.give(use, length);
  }

  /**
   * Reads a body to its end. It counts as held until its response has ended: till then it may have to be sent again.
   * @param declared its length as the client says; null where it does not
   * @throws GuildwayError BODY_TOO_LARGE as soon as it is known to be longer than `limit`; OVERLOADED when too much is held
   *   already, or when others need the room of a slow one; CANCELLED when the client ends early
   */
  read(
    request: IncomingMessage,
    response: ServerResponse,
    declared: number | null,
    limit: number,
    use: BodyUse,
  ): Promise<Buffer> {
    if (declared === 0) return Promise.resolve(EMPTY);
    if (declared !== null && declared > limit) return Promise.reject(bodyTooLarge(limit));
    return new Promise((resolve, reject) => {
      // Null once it has ended, in whatever way: what still comes is not kept.
      let chunks: Buffer[] | null = [];
      let length = 0;
      const end = (): Buffer[] => {
        const all = chunks as Buffer[];
        chunks = null;
        this.#uploads.delete(upload);
        return all;
      };
      const release = (): void => {
        this.#allowance.give(use, length);
        length = 0;
      };
      const fail = (error: GuildwayError): void => {
        end();
        release();
        reject(error);
      };
      const upload: Upload = { use, startedAt: this.#now(), fail };
      this.#uploads.add(upload);
      request.on('data', (chunk: Buffer) => {
        if (chunks === null) return;
        if (length + chunk.length > limit) {
          fail(bodyTooLarge(limit));
          return;
        }
        try {
          this.#take(use, chunk.length, upload);
        } catch (error) {
          fail(error as GuildwayError);
          return;
        }
        chunks.push(chunk);
        length += chunk.length;
      });
      request.on('end', () => {
        if (chunks === null) return;
        const all = end();
        resolve(all.length === 1 ? (all[0] as Buffer) : Buffer.concat(all, length));
        if (response.closed) release();
        else response.on('close', release);
      });
      // `close` also follows `end`. Creating an error then would double the cost of a body.
      request.on('close', () => {
        if (chunks !== null) fail(new GuildwayError('CANCELLED', 'the client ended before its body'));
      });
    });
  }

  /** @throws GuildwayError OVERLOADED where slower bodies leave no room either */
  #take(use: BodyUse, bytes: number, own?: Upload): void {
    if (this.#allowance.take(use, bytes)) return;
    for (const upload of this.#uploads) {
      // The oldest come first: behind one that is not slow there is none that is.
      if (this.#now() - upload.startedAt < SLOW_MS) break;
      if (upload === own) continue;
      upload.fail(overloaded());
      if (this.#allowance.take(use, bytes)) return;
    }
    throw overloaded();
  }
}
