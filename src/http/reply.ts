import type { ServerResponse } from 'node:http';
import { type GatewayResponse, HEADER, type HeaderList } from '../link/message.ts';
import { declaredLength } from './body.ts';
import { responseHeaders } from './headers.ts';

/** Bodies up to this size go out as one string with their headers: one write instead of two. */
const ONE_WRITE = 8 * 1024;

/** Sends a gateway pod's whole response to the caller, saying who served it. */
export function sendAnswer(
  response: ServerResponse,
  { status, headers, body }: GatewayResponse,
  by: { pod: number; httpPod: string; requestId: string },
): void {
  const list = responseHeaders(headers);
  list.push(HEADER.pod, String(by.pod), HEADER.httpPod, by.httpPod, HEADER.requestId, by.requestId);
  const bodyless = status === 204 || status === 304;
  if (!bodyless && !has(list, 'content-length')) list.push('content-length', String(body.length));
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
  response.writeHead(status, [
    'content-type',
    'application/json',
    'content-length',
    String(Buffer.byteLength(body)),
    ...headers,
  ]);
  response.end(body);
}

/** Refuses a request, in words for who sent it. Closes the connection when its body has not been read. */
export function sendError(response: ServerResponse, status: number, error: string, headers: HeaderList = []): void {
  const unread = declaredLength(response.req) !== 0 && !response.req.complete;
  sendJson(response, status, { error }, unread ? [...headers, 'connection', 'close'] : headers);
}

function has(list: HeaderList, name: string): boolean {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
  return false;
}
