import { wellKnownPath } from './paths.ts';

/** The target of a request line. */
export interface RequestTarget {
  /** Path and query in normal form. Routing, signatures, forwarding and the bot all use this form. */
  readonly target: string;
  /** The authority of an absolute-form target, which replaces `Host`; null for the usual origin-form. */
  readonly authority: string | null;
}

/** The classes of characters in a path or a query. */
const REFUSED = 0; // control characters, spaces, `#`, `\`
const PLAIN = 1;
/** May hide a well-known path: capital letters, `;`. */
const HIDES = 2;
/** A path with such a character may have another normal form: `%`, `.`, `/`. */
const LOOK = 3;
/** Encoded as `%XX`, as a URL parser does. */
const ENCODED = 4;
const SLASH = 47;

const PATH_CLASS = new Uint8Array(256);
const QUERY_CLASS = new Uint8Array(256);
const classify = (table: Uint8Array, characters: string, kind: number): void => {
  for (const character of characters) table[character.charCodeAt(0)] = kind;
};
// RFC 3986, and the characters that browsers also send without encoding.
classify(PATH_CLASS, "abcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,=:@|[]", PLAIN);
classify(PATH_CLASS, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ;', HIDES);
classify(PATH_CLASS, '/.%', LOOK);
classify(PATH_CLASS, '"<>^`{}', ENCODED);
for (let code = 0x21; code < 0x7f; code++) QUERY_CLASS[code] = PLAIN;
classify(QUERY_CLASS, '#', REFUSED);
classify(QUERY_CLASS, '"<>\'', ENCODED);
for (let code = 0x80; code < 0x100; code++) {
  PATH_CLASS[code] = ENCODED;
  QUERY_CLASS[code] = ENCODED;
}

const ABSOLUTE = /^https?:\/\/([^/?#]*)/i;
/** Also followed by a parameter or an encoded end (`/..;x/`), which some routers remove before they look for dots. */
const DOT_SEGMENT = /(?:^|\/)\.\.?(?:\/|;|%3b|%23|%3f|$)/i;
/** Encoded slashes, backslashes and control characters: only some routers decode them. Also a `%` that encodes nothing. */
const AMBIGUOUS_ENCODING = /%(?:2f|5c|[01][0-9a-f]|7f|(?![0-9a-f]{2}))/i;
/** Needless encodings of unreserved characters (RFC 3986, 2.3): `-`, `.`, `_`, `~`, digits, letters. */
const NEEDLESS_ENCODING = /%(?:2[de]|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9ae])/gi;
/** Whether a path could be a well-known one in disguise. */
const MAYBE_WELL_KNOWN = /webhooks|_guildway|healthz/i;

/**
 * The normal form of a request target, the same in both services, or null if the target has none. If a target could be read in two
 * ways, a request could be routed and verified as one path and handled as another.
 *
 * - An absolute-form target (RFC 9112, 3.2.2) is reduced to path and query.
 * - Needless percent-encodings are decoded, others are written in capitals. Characters that a URL parser encodes are encoded.
 * - Empty segments (`//`) are dropped.
 * - A path that some router could match as a well-known path becomes that path, see {@link wellKnownPath}.
 * - Refused: `#`, `\`, dot segments, encoded slashes and control characters, a `%` that encodes nothing, any target that is not a path.
 *
 * A URL parser leaves it unchanged: `new URL(target, 'http://host')` has the same path and query.
 * @param raw one byte per character, as Node's parser returns it
 */
export function normalTarget(raw: string): RequestTarget | null {
  if (raw.charCodeAt(0) === 47 /* / */) {
    const target = normalPathAndQuery(raw);
    return target === null ? null : { target, authority: null };
  }
  const match = ABSOLUTE.exec(raw);
  if (match === null || match[1] === '') return null;
  const rest = raw.slice(match[0].length);
  const target = normalPathAndQuery(rest.startsWith('/') ? rest : `/${rest}`);
  return target === null ? null : { target, authority: match[1] as string };
}

function normalPathAndQuery(raw: string): string | null {
  let end = raw.indexOf('?');
  if (end === -1) end = raw.length;
  let hides = end > 1 && raw.charCodeAt(end - 1) === SLASH;
  let look = false;
  let before = 0;
  for (let i = 0; i < end; i++) {
    const code = raw.charCodeAt(i);
    const kind = PATH_CLASS[code];
    if (kind !== PLAIN) {
      if (kind === HIDES) hides = true;
      // Slashes and dots are ordinary unless they follow a slash.
      else if (kind === ENCODED || (kind === LOOK && (code === 37 /* % */ || before === SLASH))) look = true;
      else if (kind !== LOOK) return null;
    }
    before = code;
  }
  let encode = false;
  for (let i = end + 1; i < raw.length; i++) {
    const kind = QUERY_CLASS[raw.charCodeAt(i)];
    if (kind === ENCODED) encode = true;
    else if (kind !== PLAIN) return null;
  }
  if (!look && !hides && !encode) return raw;
  let path: string | null = raw.slice(0, end);
  if (look) path = normalPath(path);
  if (path === null) return null;
  if (MAYBE_WELL_KNOWN.test(path)) path = wellKnownPath(path) ?? path;
  const query = raw.slice(end);
  return path + (encode ? encoded(query, QUERY_CLASS) : query);
}

/** The RFC's normal form of a path that has encodings, empty segments, or segments that begin with a dot. */
function normalPath(raw: string): string | null {
  if (AMBIGUOUS_ENCODING.test(raw)) return null;
  const path = encoded(raw, PATH_CLASS)
    .replace(NEEDLESS_ENCODING, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)))
    .replace(/%[0-9a-f]{2}/gi, (code) => code.toUpperCase())
    .replace(/\/{2,}/g, '/');
  return DOT_SEGMENT.test(path) ? null : path;
}

function encoded(text: string, table: Uint8Array): string {
  let result = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    result += table[code] === ENCODED ? `%${code.toString(16).toUpperCase()}` : text.charAt(i);
  }
  return result;
}

/** The path of a target in its normal form, without its query. */
export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}
