import type { IncomingMessage, ServerResponse } from 'node:http';
import { GuildwayError } from '../../errors.ts';
import { type MonotonicClock, type MonotonicTime, monotonicNow } from '../../time.ts';
import { BodyAllowance, type BodyUse } from './body-allowance.ts';

const EMPTY = Buffer.alloc(0);
/** A body that takes longer than this is dropped if another body needs its room. */
const SLOW_MS = 1_000;

const overloaded = (): GuildwayError =>
  new GuildwayError('OVERLOADED', 'too many request bodies are being read at once');

export const bodyTooLarge = (limit: number): GuildwayError =>
  new GuildwayError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes`);

/** A body in transit. */
interface Upload {
  readonly use: BodyUse;
  readonly startedAt: MonotonicTime;
  readonly fail: (error: GuildwayError) => void;
}

/**
 * Buffers bodies up to a total limit. Otherwise thousands of clients with slow bodies, or with bodies for an absent owner, could
 * exhaust the memory.
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
   * Counts a body that has already been read as held.
   * @returns a function that releases it
   * @throws GuildwayError OVERLOADED if the limit is reached
   */
  hold(length: number, use: BodyUse): () => void {
    this.#take(use, length);
    return () => this.#allowance.give(use, length);
  }

  /**
   * Reads a whole body. It counts as held until its response has ended, because it may have to be sent again until then.
   * @param declared its declared length; null without one
   * @throws GuildwayError BODY_TOO_LARGE as soon as it is longer than `limit`; OVERLOADED if the limit is reached, or if others need
   *   the room of a slow body; CANCELLED if the client disconnects early
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
      // Null after the end, for any reason. Later chunks are discarded.
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

  /** @throws GuildwayError OVERLOADED if dropping slow bodies does not make room */
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
