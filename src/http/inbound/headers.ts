import {
  HEADER,
  type HeaderList,
  isHopByHop,
  isInternal,
  namesNoField,
  withoutNamedByConnection,
} from '../../protocol/headers.ts';
import type { ForwardedFields, Proxies } from './proxies.ts';

export { fieldValue } from '../../protocol/headers.ts';

/**
 * The header fields of a message in order, with lower-case names and without those that `Connection` names. Decisions therefore use
 * the same fields that the next hop gets.
 * @param raw alternating names and values as received
 */
export function fieldsOf(raw: readonly string[]): HeaderList {
  const fields = new Array<string>(raw.length);
  let named = false;
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    const value = raw[i + 1] as string;
    if (name === 'connection' && !namesNoField(value)) named = true;
    fields[i] = name;
    fields[i + 1] = value;
  }
  return named ? withoutNamedByConnection(fields) : fields;
}

/** The origin of a request and its header fields. */
interface RequestOrigin {
  /** See {@link fieldsOf}. */
  readonly fields: HeaderList;
  /** The address of the peer. */
  readonly address: string;
  /** Identifies the request in the logs of every pod. */
  readonly id: string;
}

/** Forwards a client's headers to gateway pods. */
export type RequestHeaders = (request: RequestOrigin) => string[];

/**
 * The headers for a gateway pod, without hop-by-hop headers and internal ones, which clients must not set. This pod always sets
 * `x-forwarded-for`, `-proto` and `-host` from trusted proxies or from the connection. So the first address in `x-forwarded-for` is
 * the client's. Other forwarding headers of an untrusted peer are dropped.
 */
export function createRequestHeaders(proxies: Proxies): RequestHeaders {
  return ({ fields, address, id }) => {
    const peer = proxies.peer(address);
    const list: string[] = [];
    let host: string | undefined;
    let forwarded: ForwardedFields | null = null;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      const value = fields[i + 1] as string;
      if (isForwarded(name)) {
        const key = FORWARDED_KEYS[name];
        if (peer.trusted && key === undefined) list.push(name, value);
        else if (peer.trusted && key !== undefined) {
          forwarded ??= {};
          forwarded[key] = forwarded[key] === undefined ? value : `${forwarded[key]}, ${value}`;
        }
      } else if (!isHopByHop(name) && !isInternal(name)) {
        if (name === 'host') host = value;
        list.push(name, value);
      }
    }
    if (forwarded === null) list.push('x-forwarded-for', peer.address, 'x-forwarded-proto', 'http');
    else {
      const origin = proxies.originOf(forwarded, peer);
      list.push('x-forwarded-for', origin.addresses.join(', '), 'x-forwarded-proto', origin.protocol);
      host = origin.host ?? host;
    }
    if (host) list.push('x-forwarded-host', host);
    list.push(HEADER.requestId, id);
    return list;
  };
}

const FORWARDED_KEYS: Readonly<Partial<Record<string, keyof ForwardedFields>>> = Object.freeze({
  'x-forwarded-for': 'for',
  'x-forwarded-proto': 'proto',
  'x-forwarded-host': 'host',
  forwarded: 'forwarded',
});

/** Whether a field names the origin of a request. */
const isForwarded = (name: string): boolean =>
  name.startsWith('x-forwarded-') || name === 'forwarded' || name === 'x-real-ip';

/**
 * The headers of a gateway pod's response for the client, without hop-by-hop headers and internal ones. Names must be in lower case.
 * The sender of the body sets the length.
 */
export function responseHeaders(headers: HeaderList): string[] {
  const fields = withoutNamedByConnection(headers);
  const list: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name !== 'content-length' && !isHopByHop(name) && !isInternal(name)) list.push(name, fields[i + 1] as string);
  }
  return list;
}
