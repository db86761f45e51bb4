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

/** The headers of a handler's response that reach the caller; each cookie is one of its own. */
export function fromWebHeaders(headers: Headers): string[] {
  const list: string[] = [];
  for (const [name, value] of headers) if (isForwarded(name)) list.push(name, value);
  return list;
}
