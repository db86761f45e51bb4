import type { IncomingMessage } from 'node:http';
import { GuildwayError } from '../errors.ts';

const EMPTY = Buffer.alloc(0);

/** The declared length of a body: 0 without one, null when it is chunked and so unknown. */
export function declaredLength(request: IncomingMessage): number | null {
  const { headers } = request;
  if (headers['transfer-encoding'] !== undefined) return null;
  const length = headers['content-length'];
  // Node's parser has refused anything that is not a number.
  return length === undefined ? 0 : Number(length);
}

/**
 * Reads a whole body.
 * @throws GuildwayError BODY_TOO_LARGE as soon as it is known to be longer than `limit`; CANCELLED when the client ends early
 */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const tooLarge = () => new GuildwayError('BODY_TOO_LARGE', `the body is larger than ${limit} bytes`);
  const declared = declaredLength(request);
  if (declared === 0) return Promise.resolve(EMPTY);
  if (declared !== null && declared > limit) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let whole = false;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) {
        request.pause();
        reject(tooLarge());
      } else chunks.push(chunk);
    });
    request.on('end', () => {
      whole = true;
      resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length));
    });
    request.on('close', () => {
      // It also comes after the end, where an error that nobody hears of would cost as much as the rest of this.
      if (!whole) reject(new GuildwayError('CANCELLED', 'the client ended before its body'));
    });
  });
}
