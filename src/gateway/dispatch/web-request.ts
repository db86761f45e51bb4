import { MAX_HEAD } from '../../link/frames.ts';
import { HEADER, type HeaderList, headerValue, isHopByHop, isInternal } from '../../protocol/headers.ts';

const isForwarded = (name: string): boolean => !isHopByHop(name) && !isInternal(name);

export interface WebRequestOptions {
  readonly method: string;
  readonly target: string;
  readonly headers: HeaderList;
  readonly body: Buffer | ReadableStream<Uint8Array> | null;
  readonly signal: AbortSignal;
}

/**
 * The request as a web-standard `Request`, with the URL that the client used.
 * @throws TypeError for the methods CONNECT, TRACE and TRACK, and for an invalid host
 */
export function toWebRequest({ method, target, headers, body, signal }: WebRequestOptions): Request {
  const protocol = headerValue(headers, 'x-forwarded-proto') === 'https' ? 'https' : 'http';
  // An HTTP/1.0 client may send no Host.
  const host = headerValue(headers, 'x-forwarded-host') || headerValue(headers, 'host') || 'localhost';
  const forwarded: [string, string][] = [];
  let cookies = '';
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (name === 'cookie') cookies += cookies === '' ? value : `; ${value}`;
    else if (isForwarded(name) || name === HEADER.verified) forwarded.push([name, value]);
  }
  // Cookies are joined by semicolons (RFC 6265, 5.4); `Headers` would use commas.
  if (cookies !== '') forwarded.push(['cookie', cookies]);
  const hasBody = method !== 'GET' && method !== 'HEAD' && body !== null;
  // Only the origin: a host from the client must not add a path.
  const { origin } = new URL(`${protocol}://${host}`);
  return new Request(origin + target, {
    method,
    headers: forwarded,
    signal,
    redirect: 'manual',
    ...(hasBody ? { body, duplex: 'half' as const } : {}),
  });
}

/**
 * Characters beyond latin-1, and control characters. No field value may contain them (RFC 9110, 5.5), although `Headers`
 * accepts most.
 */
const NOT_ALLOWED = /[^\t\x20-\x7e\x80-\xff]/;
/**
 * The link's limit, less what the pod adds. Plain HTTP has the same limit, so that a response does not depend on the transport.
 */
const MAX_FIELDS = MAX_HEAD - 1024;

/**
 * The headers of a handler's response that reach the client. Each cookie is a field of its own.
 * @param headers may come from another library that checks less
 * @throws TypeError for a header that cannot be sent. It is found here, before anything is sent
 */
export function fromWebHeaders(headers: Headers): string[] {
  const list: string[] = [];
  let length = 0;
  for (const [name, value] of headers instanceof Headers ? headers : new Headers(headers)) {
    if (!isForwarded(name)) continue;
    if (NOT_ALLOWED.test(value))
      throw new TypeError(`the response header ${name} has a character that HTTP does not allow`);
    length += name.length + value.length + 2;
    list.push(name, value);
  }
  if (length > MAX_FIELDS)
    throw new TypeError(`the response's headers have ${length} bytes; ${MAX_FIELDS} can be sent`);
  return list;
}
