import { type HeaderList, INTERNAL_PREFIX } from '../link/message.ts';

/** Hop-by-hop headers (RFC 9110, 7.6.1): they concern one connection and are never forwarded. */
const HOP_BY_HOP = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'http2-settings'],
]);

/** What is not passed on of a request as it is: that, what this pod writes itself, and what it has answered itself. */
const NOT_FORWARDED = new Set([...HOP_BY_HOP, 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'expect']);

/** The first letters of all those names. Most headers begin with another, which costs less to see than to look them up. */
const FIRST_LETTERS = new Uint8Array(256);
for (const name of [...NOT_FORWARDED, INTERNAL_PREFIX]) FIRST_LETTERS[name.charCodeAt(0)] = 1;

const NONE: readonly string[] = Object.freeze([]);

/** Headers that `Connection` names are hop-by-hop too. */
function namedByConnection(value: string | undefined): readonly string[] {
  if (value === undefined || value === 'keep-alive' || value === 'close') return NONE;
  return value.split(',').map((name) => name.trim().toLowerCase());
}

/** The header fields of a request in their order, names in lower case. @param raw alternating name and value, as they came */
export function fieldsOf(raw: readonly string[]): string[] {
  const fields = new Array<string>(raw.length);
  for (let i = 0; i < raw.length; i += 2) {
    fields[i] = (raw[i] as string).toLowerCase();
    fields[i + 1] = raw[i + 1] as string;
  }
  return fields;
}

/** The value of a header field; one that was sent several times is joined by commas (RFC 9110, 5.3). */
export function fieldValue(fields: HeaderList, name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== name) continue;
    value = value === undefined ? fields[i + 1] : `${value}, ${fields[i + 1]}`;
  }
  return value;
}

/**
 * What a gateway pod gets of a client's headers: without those of this hop and without internal ones, which nobody outside may
 * set; with the client's address added to `x-forwarded-for`. Protocol and host are what a proxy in front of this pod says they
 * were, else what this pod sees.
 */
export function requestHeaders(fields: HeaderList, address: string): string[] {
  const dropped = namedByConnection(fieldValue(fields, 'connection'));
  const list: string[] = [];
  let before: string | undefined;
  let proto: string | undefined;
  let host: string | undefined;
  let forwardedHost: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    const special = FIRST_LETTERS[name.charCodeAt(0)] === 1;
    if (special && NOT_FORWARDED.has(name)) {
      if (name === 'x-forwarded-for') before = before === undefined ? value : `${before}, ${value}`;
      else if (name === 'x-forwarded-proto') proto ??= value;
      else if (name === 'x-forwarded-host') forwardedHost ??= value;
    } else if (!(special && name.startsWith(INTERNAL_PREFIX)) && (dropped === NONE || !dropped.includes(name))) {
      if (name === 'host') host ??= value;
      list.push(name, value);
    }
  }
  list.push('x-forwarded-for', before === undefined ? address : `${before}, ${address}`);
  list.push('x-forwarded-proto', proto ?? 'http', 'x-forwarded-host', forwardedHost ?? host ?? '');
  return list;
}

/**
 * What the client gets of a gateway pod's headers, whose names are in lower case: without those of that hop and without internal ones. The length is left to
 * who sends the body.
 */
export function responseHeaders(headers: HeaderList): string[] {
  const list: string[] = [];
  let dropped = NONE;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const special = FIRST_LETTERS[name.charCodeAt(0)] === 1;
    if (name === 'connection') dropped = namedByConnection(headers[i + 1]);
    else if (name !== 'content-length' && !(special && (HOP_BY_HOP.has(name) || name.startsWith(INTERNAL_PREFIX))))
      list.push(name, headers[i + 1] as string);
  }
  if (dropped === NONE) return list;
  return list.flatMap((name, i) => (i % 2 === 0 && !dropped.includes(name) ? [name, list[i + 1] as string] : []));
}
