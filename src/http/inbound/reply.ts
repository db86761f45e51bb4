import type { GuildwayError } from '../../errors.ts';
import { type GatewayResponse, HEADER, type HeaderList, headerValue } from '../../link/message.ts';
import type { EdgeRequest } from './edge-request.ts';
import { errorPage, PAGE_HEADERS } from './error-page.ts';
import { fieldValue, responseHeaders } from './headers.ts';

const EMPTY = Buffer.alloc(0);

/** Sends a gateway pod's whole response to the client, with the names of the pods that served it. */
export function sendAnswer(
  request: EdgeRequest,
  { status, headers, body }: GatewayResponse,
  pod: number,
  httpPod: string,
): void {
  const list = responseHeaders(headers);
  list.push(HEADER.pod, String(pod), HEADER.httpPod, httpPod, HEADER.requestId, request.id);
  // Without a body (HEAD), keeps the declared length. Otherwise sets the length of the body.
  const bodyless = request.method === 'HEAD' || status === 204 || status === 304;
  const length = bodyless ? headerValue(headers, 'content-length') : String(body.length);
  if (length !== undefined && status !== 204 && /^\d{1,15}$/.test(length)) list.push('content-length', length);
  request.respond(status, list, bodyless ? EMPTY : body);
}

/** Sends this pod's own JSON response. */
export function sendJson(request: EdgeRequest, status: number, value: unknown, headers: HeaderList = []): void {
  const body = Buffer.from(JSON.stringify(value));
  const own = [...['content-type', 'application/json', 'content-length', String(body.length)], ...headers];
  request.respond(status, [...own, HEADER.requestId, request.id], request.method === 'HEAD' ? EMPTY : body);
}

/** Rejects a request, with a page for browsers and with JSON for other clients. */
export function sendError(request: EdgeRequest, status: number, error: string, headers: HeaderList = []): void {
  if (!wantsHtml(request)) {
    sendJson(request, status, { error }, headers);
    return;
  }
  const body = Buffer.from(
    errorPage({ status, error, requestId: request.id, retryAfterS: retryAfterOf(request, headers) }),
  );
  const own = [...PAGE_HEADERS, 'content-length', String(body.length), ...headers, HEADER.requestId, request.id];
  request.respond(status, own, request.method === 'HEAD' ? EMPTY : body);
}

/** Whether a request is a navigation of a browser and not from a script. */
export function wantsHtml({ fields }: Pick<EdgeRequest, 'fields'>): boolean {
  const accept = fieldValue(fields, 'accept');
  return accept !== undefined && HTML.test(accept);
}

const HTML = /(?:^|,)\s*text\/html\s*(?:[;,]|$)/i;

/** The page reloads itself only if the request can be repeated. */
function retryAfterOf({ method }: EdgeRequest, headers: HeaderList): number | null {
  const seconds = method === 'GET' ? headerValue(headers, 'retry-after') : undefined;
  return seconds === undefined ? null : Number(seconds);
}

/** Rejects a request whose body could not be read. @param error the error from {@link EdgeRequest.readBody} */
export function refuseBody(request: EdgeRequest, { code, message }: GuildwayError): void {
  if (code === 'BODY_TOO_LARGE') sendError(request, 413, message);
  else if (code === 'OVERLOADED') sendError(request, 503, message, ['retry-after', '1']);
  else request.abort();
}
