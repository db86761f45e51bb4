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
 * The request as a web-standard handler gets it, with the URL that the caller used.
 * @throws TypeError for what no web request can be: the methods CONNECT, TRACE and TRACK, a host that is none
 */
export function toWebRequest({ method, target, headers, body, signal }: WebRequestOptions): Request {
  const protocol = headerValue(headers, 'x-forwarded-proto') === 'https' ? 'https' : 'http';
  // A client of HTTP/1.0 need not say what it calls the service.
  const host = headerValue(headers, 'x-forwarded-host') || headerValue(headers, 'host') || 'localhost';
  const forwarded: [string, string][] = [];
  let cookies = '';
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (name === 'cookie') cookies += cookies === '' ? value : `; ${value}`;
    else if (isForwarded(name) || name === HEADER.verified) forwarded.push([name, value]);
  }
  // Several are joined by semicolons (RFC 6265, 5.4), which `Headers` does not know.
  if (cookies !== '') forwarded.push(['cookie', cookies]);
  const hasBody = method !== 'GET' && method !== 'HEAD' && body !== null;
  // Only the origin: a host of the caller's choice must not bring a path of its own.
  const { origin } = new URL(`${protocol}://${host}`);
  return new Request(origin + target, {
    method,
    headers: forwarded,
    signal,
    redirect: 'manual',
    ...(hasBody ? { body, duplex: 'half' as const } : {}),
  });
}

/** Beyond latin-1, or a control character: what no field value may have (RFC 9110, 5.5), though `Headers` takes most of it. */
const NOT_ALLOWED = /[^\t\x20-\x7e\x80-\xff]/;
/** The link carries this much, and what the pod adds. Plain HTTP has the same limit, so that an answer does not depend on the way. */
const MAX_FIELDS = MAX_HEAD - 1024;

/**
 * The headers of a handler's response that reach the caller; each cookie is one of its own.
 * @param headers may be those of another library, which checks less
 * @throws TypeError for what cannot be sent: the handler's fault, found here, where nothing has been sent yet
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
