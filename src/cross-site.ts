import { isIP } from 'node:net';

/** Reads one header field by its name in lower case. */
export type HeaderReader = (name: string) => string | null | undefined;

/**
 * Whether a browser sent a request on behalf of a page of another origin. Browsers name that page; every other client is taken
 * for one that acts for itself. The rules are those of Go's `http.CrossOriginProtection`: `Sec-Fetch-Site` decides, and where
 * a browser is too old to send it, `Origin` against the host of the request.
 * @param host of the request, with its port unless that is the default one
 * @param trusted further origins whose pages may send it, such as `https://dashboard.example.com`
 */
export function isCrossSite(header: HeaderReader, host: string, trusted: readonly string[] = []): boolean {
  const origin = header('origin');
  if (typeof origin === 'string' && trusted.includes(origin)) return false;
  const site = header('sec-fetch-site');
  if (typeof site === 'string') return site !== 'same-origin' && site !== 'none';
  if (typeof origin !== 'string') return false;
  // The origin "null" (a sandboxed page, a file) has no host and matches nothing.
  return URL.parse(origin)?.host !== host.toLowerCase();
}

/**
 * Whether a `Host` is one that no other site can have pointed at this machine (DNS rebinding): an IP address, localhost, or
 * one of `names`. A client without the header is no browser.
 */
export function isTrustedHost(host: string | undefined, names: readonly string[]): boolean {
  if (host === undefined) return true;
  const hostname = /^[\w.:[\]-]+$/.test(host) ? URL.parse(`http://${host}`)?.hostname.replace(/\.$/, '') : undefined;
  if (hostname === undefined) return false;
  if (isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0) return true;
  return hostname === 'localhost' || hostname.endsWith('.localhost') || names.includes(hostname);
}

/**
 * Why a request to an operator's port is refused, or null. A browser on an operator's machine can reach such a port, and so can
 * every page in that browser.
 * @param names host names of the port, besides localhost and IP addresses
 */
export function refusalForOperators(
  request: { readonly method: string; readonly header: HeaderReader },
  names: readonly string[],
): { readonly status: 403 | 415; readonly error: string } | null {
  const { method, header } = request;
  const host = header('host') ?? undefined;
  if (!isTrustedHost(host, names)) {
    return {
      status: 403,
      error: `Host: ${JSON.stringify(host)} is not allowed; use an IP address, localhost or a configured name`,
    };
  }
  if (method === 'GET' || method === 'HEAD') return null;
  if (isCrossSite(header, host ?? '')) {
    return {
      status: 403,
      error: `Origin: ${JSON.stringify(header('origin') ?? '')} is another site; open the page of this port`,
    };
  }
  // A page can send any other content type to another site without a preflight.
  if (!/^application\/json\s*(?:;|$)/i.test(header('content-type') ?? '')) {
    return { status: 415, error: 'Content-Type: it must be application/json' };
  }
  return null;
}
