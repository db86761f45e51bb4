import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { GatewayResponse, HeaderList } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { fieldValue, isHopByHop } from '../../protocol/headers.ts';
import { bytesOf, discard, type StreamedReply } from '../dispatch/reply.ts';

/**
 * Writes responses to connections. This module alone decides where a response ends. A bot's headers may be wrong about that: a
 * bot may forward the `content-length` of a compressed response after it has decompressed the body. On a keep-alive connection,
 * the surplus bytes would become the response to the next request, which may be another client's.
 */

/** The length that a bot declares. Null: none, or one that cannot be true. */
function declaredLength(headers: HeaderList): number | null {
  const text = fieldValue(headers, 'content-length');
  // Two values are joined by a comma, so they are not a valid length.
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** The headers of a response, without the framing headers. */
export const withoutFraming = (headers: HeaderList): string[] =>
  headers.filter((_, i) => {
    const name = headers[i - (i % 2)] as string;
    return name !== 'content-length' && !isHopByHop(name);
  });

/** HEAD, 204 and 304: the response has no body. */
const hasNoBody = (method: string | undefined, status: number): boolean =>
  method === 'HEAD' || status === 204 || status === 304;

/** Sends a whole response. A response to HEAD and a 304 may declare the length that a GET would have. */
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
 * Streams a response. A length that the bot declares is sent, for progress bars, and checked: a longer or shorter body ends the
 * connection. The declared length of a compressed body is dropped, because most bots that forward it have decompressed the
 * body. Never rejects.
 */
export async function sendStream(
  response: ServerResponse,
  reply: StreamedReply,
  method: string | undefined,
  log: Logger,
): Promise<void> {
  const { status, headers, stream, lease } = reply;
  // An event stream may last for hours: only its bytes in memory count.
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
    // Send the head now: the first event of a stream may take long. `flushHeaders` would encode it as UTF-8.
    response.write('', 'latin1');
    // Object mode: otherwise text chunks become bytes, which differs from the link.
    const chunks = Readable.fromWeb(stream, { objectMode: true, highWaterMark: 1 });
    await pipeline(chunks, (all: AsyncIterable<unknown>) => checked(all, length, reply), response);
  } catch (error) {
    if (error instanceof LengthMismatch) log.error({ err: errorFacts(error) }, 'a response was cut off');
    else log.debug({ err: errorFacts(error) }, 'a stream ended early');
    // Nothing is read yet if Node refused the head, such as a header value that it does not send.
    discard(reply);
    response.destroy();
  } finally {
    lease?.end();
  }
}

class LengthMismatch extends Error {}

/** Holds each chunk until the writes that it may show are on disk, and enforces the declared number of bytes. */
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
    // The source continues once the connection has taken this chunk.
    lease?.hold(chunk.byteLength);
    if (sent === length) {
      // Keep the chunk until it is known to be the last one: a complete response must not end its connection, which may carry
      // the next request.
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
