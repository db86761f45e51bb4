import type { ServerResponse } from 'node:http';
import type { GuildwayError } from '../errors.ts';
import { type GatewayResponse, HEADER, type HeaderList, headerValue } from '../link/message.ts';
import { declaredLength } from './body.ts';
import { responseHeaders } from './headers.ts';

/** Bodies up to this size go out as one string with their headers: one write instead of two. */
const ONE_WRITE = 2 * 1024;
/** How long a client may go on sending what nobody reads. */
const LINGER_MS = 1_000;

/** Sends a gateway pod's whole response to the caller, saying who served it. */
export function sendAnswer(
  response: ServerResponse,
  { status, headers, body }: GatewayResponse,
  by: { pod: number; httpPod: string; requestId: string },
): void {
  const list = responseHeaders(headers);
  list.push(HEADER.pod, String(by.pod), HEADER.httpPod, by.httpPod, HEADER.requestId, by.requestId);
  // Without a body, the length that was given is what a body would have had; with one, what it has.
  const bodyless = response.req.method === 'HEAD' || status === 204 || status === 304;
  const length = bodyless ? headerValue(headers, 'content-length') : String(body.length);
  if (length !== undefined && status !== 204) list.push('content-length', length);
  try {
    response.writeHead(status, list);
  } catch {
    // A header that Node does not let out, from a handler that made it up.
    response.writeHead(502, ['content-length', '0', HEADER.requestId, by.requestId]).end();
    return;
  }
  if (bodyless || body.length === 0) response.end();
  else if (body.length <= ONE_WRITE) response.end(body.toString('latin1'), 'latin1');
  else response.end(body);
}

/** Sends JSON of this pod's own. */
export function sendJson(response: ServerResponse, status: number, value: unknown, headers: HeaderList = []): void {
  if (response.headersSent || response.destroyed) return;
  const body = JSON.stringify(value);
  const unread = declaredLength(response.req) !== 0 && !response.req.complete;
  response.writeHead(status, [
    ...['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body)), ...headers],
    ...(unread ? ['connection', 'close'] : []),
  ]);
  if (unread) endAfterLinger(response, body);
  else response.end(body);
}

/**
 * Ends a response to a request whose body nobody wants. Closing while the client still sends would reset the connection, and
 * take the answer away before it is read: so what comes is thrown away for a moment.
 */
function endAfterLinger(response: ServerResponse, body: string): void {
  response.write(body);
  const end = (): void => {
    clearTimeout(timer);
    response.end();
  };
  const timer = setTimeout(end, LINGER_MS);
  response.req.once('end', end).once('close', end).resume();
}

/** Refuses a request, in words for who sent it. */
export function sendError(response: ServerResponse, status: number, error: string, headers: HeaderList = []): void {
  sendJson(response, status, { error }, headers);
}

/** Refuses a request whose body could not be read. @param error what {@link BodyReader.read} throws */
export function refuseBody(response: ServerResponse, { code, message }: GuildwayError, own: HeaderList = []): void {
  if (code === 'BODY_TOO_LARGE') sendError(response, 413, message, own);
  else if (code === 'OVERLOADED') sendError(response, 503, message, [...own, 'retry-after', '1']);
  else response.destroy();
}
