import type { HeaderList } from '../../protocol/headers.ts';
import { normalTarget } from '../../protocol/target.ts';
import { isHost } from './host.ts';

/** The reason for rejecting a request by its head. Always the client's fault. */
export interface HeadFault {
  readonly status: 400 | 417 | 501 | 505;
  readonly why: string;
}

/** The head of a request. */
export interface RequestHead {
  readonly method: string;
  /** Path and query in normal form, see protocol/target.ts; empty if invalid, with a {@link fault}. */
  readonly url: string;
  /** All header fields in order, with lower-case names and without those that `Connection` names. */
  readonly fields: HeaderList;
  /** The declared length of the body: 0 without a body, null for a chunked body. */
  readonly bodyLength: number | null;
  readonly fault: HeadFault | null;
}

const TARGET: HeadFault = Object.freeze({
  status: 400,
  why: 'the request target must be an absolute path: without #, \\, dot segments, or encoded slashes',
});
const HOSTS: HeadFault = Object.freeze({
  status: 400,
  why: 'a request must have exactly one Host, which is a name with an optional port',
});
const CODING: HeadFault = Object.freeze({
  status: 501,
  why: 'the only supported Transfer-Encoding is chunked',
});
const EXPECTATION: HeadFault = Object.freeze({ status: 417, why: 'the only supported Expect is 100-continue' });
const VERSION: HeadFault = Object.freeze({ status: 505, why: 'use HTTP/1.1' });

/**
 * Reads a head that Node's parser has accepted.
 * @param version such as `1.1`
 * @param fields see `fieldsOf`
 */
export function readHead(method: string, rawUrl: string, version: string, fields: HeaderList): RequestHead {
  const normal = normalTarget(rawUrl);
  let hosts = 0;
  let host = '';
  let length = 0;
  let coding: string | null = null;
  let expectation: string | null = null;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (name === 'host') {
      hosts++;
      host = value;
    } else if (name === 'content-length') length = Number(value);
    else if (name === 'transfer-encoding') coding = coding === null ? value : `${coding}, ${value}`;
    else if (name === 'expect') expectation = value;
  }
  const authority = normal?.authority ?? null;
  let fault: HeadFault | null = null;
  if (version !== '1.1' && version !== '1.0') fault = VERSION;
  else if (normal === null) fault = TARGET;
  // An empty Host means that the target has no authority. HTTP/1.0 does not require Host.
  else if (
    hosts > 1 ||
    (hosts === 0 && version === '1.1') ||
    (host !== '' && !isHost(host)) ||
    (authority !== null && !isHost(authority))
  )
    fault = HOSTS;
  else if (coding !== null && coding.toLowerCase() !== 'chunked') fault = CODING;
  else if (expectation !== null && expectation.toLowerCase() !== '100-continue') fault = EXPECTATION;
  return {
    method,
    url: normal?.target ?? '',
    fields: authority === null ? fields : withHost(fields, authority),
    bodyLength: coding === null ? length : null,
    fault,
  };
}

/** The authority of an absolute-form target takes precedence over `Host` (RFC 9112, 3.2.2). */
function withHost(fields: HeaderList, authority: string): HeaderList {
  return ['host', authority, ...fields.filter((_, i) => fields[i - (i % 2)] !== 'host')];
}
