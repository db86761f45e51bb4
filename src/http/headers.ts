import type { IncomingMessage } from 'node:http';
import { type HeaderList, INTERNAL_PREFIX } from '../link/message.ts';

/** Hop-by-hop headers (RFC 9110, 7.6.1): they concern one connection and are never forwarded. */
const HOP_BY_HOP = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'http2-settings'],
]);

/** What is not passed on of a request: that, and what this pod writes itself whatever the client says. */
const NOT_FORWARDED = new Set([...HOP_BY_HOP, 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'expect']);

const NONE: readonly string[] = Object.freeze([]);

/** Headers that `Connection` names are hop-by-hop too. */
function namedByConnection(value: string | undefined): readonly string[] {
  if (value === undefined || value === 'keep-alive' || value === 'close') return NONE;
  return value.split(',').map((name) => name.trim().toLowerCase());
}

/**
 * What a gateway pod gets of a client's headers: without those of this hop and without internal ones, which nobody outside may
 * set; with `x-forwarded-*` written anew by the pod at the edge.
 */
export function requestHeaders(request: IncomingMessage, address: string): string[] {
  const { rawHeaders, headers } = request;
  const dropped = namedByConnection(headers.connection);
  const list: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (NOT_FORWARDED.has(name) || name.startsWith(INTERNAL_PREFIX)) continue;
    if (dropped === NONE || !dropped.includes(name)) list.push(name, rawHeaders[i + 1] as string);
  }
  const before = headers['x-forwarded-for'];
  list.push('x-forwarded-for', before === undefined ? address : `${before}, ${address}`);
  list.push('x-forwarded-proto', (headers['x-forwarded-proto'] as string | undefined) ?? 'http');
  list.push('x-forwarded-host', (headers['x-forwarded-host'] as string | undefined) ?? headers.host ?? '');
  return list;
}

/**
 * What the client gets of a gateway pod's headers: without those of that hop and without internal ones. The length is left to
 * who sends the body.
 */
export function responseHeaders(headers: HeaderList): string[] {
  const list: string[] = [];
  let dropped = NONE;
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (name === 'connection') dropped = namedByConnection(headers[i + 1]);
    else if (name !== 'content-length' && !HOP_BY_HOP.has(name) && !name.startsWith(INTERNAL_PREFIX))
      list.push(name, headers[i + 1] as string);
  }
  if (dropped === NONE) return list;
  return list.flatMap((name, i) => (i % 2 === 0 && !dropped.includes(name) ? [name, list[i + 1] as string] : []));
}
