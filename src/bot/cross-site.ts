import { isCrossSite as isCrossSiteRequest } from '../cross-site.ts';

/**
 * Whether a browser sent the request on behalf of a page of another site. A handler that changes something and recognizes its
 * caller by a cookie, by the network, or not at all, refuses such a request: the person in front of the browser did not mean it.
 * Clients other than browsers are never cross-site.
 * @param trusted further origins whose pages may send it, such as `https://dashboard.example.com`
 */
export function isCrossSite(request: Request, trusted: readonly string[] = []): boolean {
  return isCrossSiteRequest((name) => request.headers.get(name), new URL(request.url).host, trusted);
}
