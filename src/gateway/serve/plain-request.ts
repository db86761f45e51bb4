import type { IncomingMessage, ServerResponse } from 'node:http';
import { GuildwayError } from '../../errors.ts';
import { HEADER } from '../../link/message.ts';
import { type Duration, inMs } from '../../time.ts';
import { type Incoming, tooLarge } from './incoming.ts';

/**
 * A request over plain HTTP.
 * @param maxBodyBytes limit of a streamed body, which fails when it exceeds it
 * @param timeoutMs for a request without a deadline
 */
export function plainRequest(
  request: IncomingMessage,
  response: ServerResponse,
  maxBodyBytes: number,
  timeoutMs: Duration,
): Incoming {
  const given = request.headers[HEADER.deadlineMs];
  const waitMs = typeof given === 'string' && /^\d{1,9}$/.test(given) ? Number(given) : timeoutMs;
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  let signal: AbortSignal | null = null;
  let whole: Promise<Buffer> | null = null;
  return {
    method: request.method ?? 'GET',
    target: request.url ?? '/',
    headers: request.rawHeaders.map((part, i) => (i % 2 === 0 ? part.toLowerCase() : part)),
    deadlineAt: inMs(waitMs),
    get signal() {
      signal ??= abortedBy(response);
      return signal;
    },
    readBody(maxBytes) {
      whole ??= hasBody ? readWhole(request, maxBytes) : Promise.resolve(Buffer.alloc(0));
      return whole;
    },
    openBody: () => (hasBody ? ReadableStream.from(bounded(request, maxBodyBytes)) : null),
  };
}

/** @throws GuildwayError BODY_TOO_LARGE; the error of the request when the client disconnects */
async function* bounded(request: IncomingMessage, maxBytes: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    yield chunk;
  }
}

async function readWhole(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of bounded(request, maxBytes)) chunks.push(chunk);
  } catch (error) {
    if (error instanceof GuildwayError) throw error;
    throw new GuildwayError('CANCELLED', 'the client disconnected before the end of the body', { cause: error });
  }
  return Buffer.concat(chunks);
}

/** Aborts when the connection ends before the response. */
function abortedBy(response: ServerResponse): AbortSignal {
  const controller = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) controller.abort();
  });
  return controller.signal;
}
