import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GuildwayError } from '../../errors.ts';
import { HEADER, type HeaderList, headerValue } from '../../link/message.ts';
import { bodyTooLarge } from '../body.ts';
import { responseHeaders } from '../headers.ts';
import type { Outcome } from './call.ts';
import type { PlainAttempt, Upstream } from './upstream.ts';

const ASCII = /^[\0-\x7f]*$/;

/** A body as it comes in, up to a limit. Nothing of it is read before its receiver asks for it. */
async function* upload(request: IncomingMessage, limit: number): AsyncGenerator<Buffer> {
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > limit) throw bodyTooLarge(limit);
    yield chunk;
  }
}

/**
 * Forwards a request over plain HTTP, bodies streaming both ways with backpressure: for what is large, is an event stream, or
 * goes to a pod that does not know the link. The response begins within `timeoutMs` and may then last.
 * @throws GuildwayError with `facts.sent`, as long as nothing has gone out to the caller
 */
export async function forwardStream(options: {
  upstream: Upstream;
  request: IncomingMessage;
  response: ServerResponse;
  /** The body, where it has been read already. */
  body: Buffer | null;
  /** It has a body that streams, and is sent once at most. */
  streams: boolean;
  headers: HeaderList;
  maxBodyBytes: number;
  timeoutMs: number;
  httpPod: string;
  requestId: string;
}): Promise<Outcome> {
  const { upstream, request, response, streams, timeoutMs } = options;
  const method = request.method as 'GET';
  const target = request.url as string;
  const attempt: PlainAttempt = { begun: false };
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const startTimer = (): void => {
    const late = () => controller.abort(new DOMException('no response in time', 'TimeoutError'));
    timer = setTimeout(late, Math.max(1, timeoutMs));
  };
  // An upload may take as long as the server lets a client take for its body: the pod's time starts at its end.
  if (streams) request.once('end', startTimer);
  else startTimer();
  const gone = (): void =>
    controller.abort(new GuildwayError('CANCELLED', 'the caller has gone away', { facts: { sent: true } }));
  response.once('close', gone);
  try {
    const upstreamResponse = await upstream.plain.request({
      method,
      path: target,
      headers: [...options.headers, ...upstream.plainHeaders(method, target, timeoutMs)],
      body: streams ? Readable.from(upload(request, options.maxBodyBytes)) : options.body,
      opaque: attempt,
      responseHeaders: 'raw',
      signal: controller.signal,
    });
    clearTimeout(timer);
    request.off('end', startTimer);
    const raw = (upstreamResponse.headers as unknown as (string | Buffer)[]).map((part, i) =>
      i % 2 === 0 ? part.toString('latin1').toLowerCase() : part.toString('latin1'),
    );
    if (upstreamResponse.statusCode === 421 && headerValue(raw, HEADER.owner) !== undefined && !streams) {
      await upstreamResponse.body.dump();
      return { redirect: raw };
    }
    // What has begun to stream is gone: its sender gets the refusal, and knows that nothing was done.
    if (!streams && headerValue(raw, HEADER.refusal) !== undefined) {
      await upstreamResponse.body.dump();
      upstream.throwRefusal(upstreamResponse.statusCode, raw);
    }
    // Now, and not when a stream ends that may last for hours.
    upstream.breaker.succeeded();
    const list = responseHeaders(raw);
    const length = headerValue(raw, 'content-length');
    if (length !== undefined && upstreamResponse.statusCode !== 204) list.push('content-length', length);
    list.push(
      HEADER.pod,
      String(upstream.ordinal),
      HEADER.httpPod,
      options.httpPod,
      HEADER.requestId,
      options.requestId,
    );
    response.writeHead(upstreamResponse.statusCode, list);
    // Now, and not with the first event of a stream that may be long in coming. Node flushes headers as UTF-8, which would
    // change what is beyond ASCII; those wait for the body.
    if (ASCII.test(raw.join(''))) response.flushHeaders();
    await pipeline(upstreamResponse.body, response);
    return { done: null };
  } catch (cause) {
    if (response.headersSent) {
      // Half a response cannot be taken back: the caller must see that it is one.
      response.destroy();
      return { done: null };
    }
    if (cause instanceof GuildwayError) throw cause;
    throw upstream.plainError(cause, attempt);
  } finally {
    clearTimeout(timer);
    request.off('end', startTimer);
    response.off('close', gone);
  }
}
