import type { IncomingMessage, ServerResponse } from 'node:http';
import { GuildwayError } from '../../errors.ts';

const EMPTY = Buffer.alloc(0);

const overloaded = (): GuildwayError =>
  new GuildwayError('OVERLOADED', 'too many request bodies are being read at once');

export const bodyTooLarge = (limit: number): GuildwayError =>
  new GuildwayError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes`);

/**
 * Reads whole bodies, together up to a bound: thousands of clients that each send a body within its limit, slowly, or to an
 * owner that is away, would otherwise be held in memory all at once.
 */
export class BodyReader {
  readonly #maxHeldBytes: number;
  #heldBytes = 0;

  constructor(maxHeldBytes: number) {
    this.#maxHeldBytes = maxHeldBytes;
  }

  /**
   * Counts a body as held that has been read already.
   * @returns what releases it
   * @throws GuildwayError OVERLOADED when too much is held already
   */
  hold(length: number): () => void {
    if (this.#heldBytes + length > this.#maxHeldBytes) throw overloaded();
    this.#heldBytes += length;
    return () => {
      this.#heldBytes -= length;
    };
  }

  /**
   * Reads a body to its end. It counts as held until its response has ended: till then it may have to be sent again.
   * @param declared its length as the client says; null where it does not
   * @throws GuildwayError BODY_TOO_LARGE as soon as it is known to be longer than `limit`; OVERLOADED when too much is held
   *   already; CANCELLED when the client ends early
   */
  read(request: IncomingMessage, response: ServerResponse, declared: number | null, limit: number): Promise<Buffer> {
    if (declared === 0) return Promise.resolve(EMPTY);
    if (declared !== null && declared > limit) return Promise.reject(bodyTooLarge(limit));
    return new Promise((resolve, reject) => {
      // Null once it has ended, in whatever way: what still comes is not kept.
      let chunks: Buffer[] | null = [];
      let length = 0;
      const end = (): Buffer[] => {
        const all = chunks as Buffer[];
        chunks = null;
        return all;
      };
      const release = (): void => {
        this.#heldBytes -= length;
        length = 0;
      };
      const fail = (error: GuildwayError): void => {
        end();
        release();
        reject(error);
      };
      request.on('data', (chunk: Buffer) => {
        if (chunks === null) return;
        chunks.push(chunk);
        length += chunk.length;
        this.#heldBytes += chunk.length;
        if (length > limit) fail(bodyTooLarge(limit));
        else if (this.#heldBytes > this.#maxHeldBytes) {
          fail(overloaded());
        }
      });
      request.on('end', () => {
        if (chunks === null) return;
        const all = end();
        resolve(all.length === 1 ? (all[0] as Buffer) : Buffer.concat(all, length));
        if (response.closed) release();
        else response.on('close', release);
      });
      // It also comes after the end, where an error that nobody hears of would cost as much as the rest of this.
      request.on('close', () => {
        if (chunks !== null) fail(new GuildwayError('CANCELLED', 'the client ended before its body'));
      });
    });
  }
}
