import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { fieldValue, isHopByHop } from '../../protocol/headers.ts';
import { bytesOf, discard, type StreamedReply } from '../dispatch/reply.ts';

/**
 * Writes responses to connections. This module alone decides where a response ends. What a bot says about that may be wrong: it
 * may pass on the `content-length` of a compressed response whose body it has decompressed. On a connection that is kept, surplus bytes
 * would be read as the answer to the next request, which is another client's.
 */

/** The length that a bot declares, or null where it declares none that can be true. */
function declaredLength(headers: HeaderList): number | null {
  const text = fieldValue(headers, 'content-length');
  // Two values are joined by a comma, which no length has.
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** The headers of a response without those that frame it. */
export const withoutFraming = (headers: HeaderList): string[] =>
  headers.filter((_, i) => {
    const name = headers[i - (i % 2)] as string;
    return name !== 'content-length' && !isHopByHop(name);
  });

/** HEAD, 204 and 304: the response ends with its head. */
const hasNoBody = (method: string | undefined, status: number): boolean =>
  method === 'HEAD' || status === 204 || status === 304;

/** Sends a whole response. A HEAD or 304 may declare the length that a GET would have. */
export function sendWhole(
  response: ServerResponse,
  { status, headers, body, sent }: GatewayResponse,
  method: string | undefined,
): void {
  if (sent !== undefined) {
    if (response.closed) sent();
    else response.once('close', sent);
  }
  const list = withoutFraming(headers);
  if (!hasNoBody(method, status)) list.push('content-length', String(body.length));
  else if (status !== 204) {
    const length = declaredLength(headers) ?? (method === 'HEAD' ? body.length : null);
    if (length !== null) list.push('content-length', String(length));
  }
  response.writeHead(status, list);
  response.end(hasNoBody(method, status) ? undefined : body);
}

/**
 * Sends a response whose body is still being made. A length that the bot declares is kept, for progress bars, and checked: a body
 * that is longer or shorter ends the connection. A compressed body has no declared length, because most bots that pass one on
 * have decompressed it.
 * Never rejects.
 */
export async function sendStream(
  response: ServerResponse,
  reply: StreamedReply,
  method: string | undefined,
  log: Logger,
): Promise<void> {
  const { status, headers, stream, lease } = reply;
  // A stream of events lasts: only what of it is in memory counts.
  lease?.hold(0);
  try {
    const list = withoutFraming(headers);
    const compressed = fieldValue(headers, 'content-encoding') !== undefined;
    const length = status === 204 || compressed ? null : declaredLength(headers);
    if (length !== null) list.push('content-length', String(length));
    response.writeHead(status, list);
    if (hasNoBody(method, status)) {
      response.end();
      discard(reply);
      return;
    }
    // Now, and not with the first event of a stream that may be long in coming. `flushHeaders` would write it as UTF-8.
    response.write('', 'latin1');
    // As objects: it would turn text into bytes, which the link does not.
    const chunks = Readable.fromWeb(stream, { objectMode: true, highWaterMark: 1 });
    await pipeline(chunks, (all: AsyncIterable<unknown>) => checked(all, length, reply), response);
  } catch (error) {
    if (error instanceof LengthMismatch) log.error({ err: errorFacts(error) }, 'a response was cut off');
    else log.debug({ err: errorFacts(error) }, 'a stream ended early');
    // Not yet read where Node refused the head: a header value that it does not send.
    discard(reply);
    response.destroy();
  } finally {
    lease?.end();
  }
}

class LengthMismatch extends Error {}

/** Holds each chunk back until what it may tell is on disk, and lets no other number of bytes pass than was declared. */
async function* checked(
  chunks: AsyncIterable<unknown>,
  length: number | null,
  { durable, lease }: StreamedReply,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  let last: Uint8Array | null = null;
  for await (const given of chunks) {
    const chunk = bytesOf(given);
    if (chunk.byteLength === 0) continue;
    sent += chunk.byteLength;
    if (length !== null && sent > length)
      throw new LengthMismatch(`its body is longer than its content-length, ${length}`);
    await durable?.();
    // Asked for more when the connection has taken this.
    lease?.hold(chunk.byteLength);
    if (sent === length) {
      // Kept until it is known to be the last: a response that ends well must not end its connection, on which the next request may be.
      last = chunk;
      continue;
    }
    yield chunk;
    lease?.hold(0);
  }
  if (length !== null && sent < length)
    throw new LengthMismatch(`its body has ${sent} bytes, its content-length says ${length}`);
  if (last !== null) yield last;
}
