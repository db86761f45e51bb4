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
 * The header fields of a message in their order, names in lower case, without those that `Connection` names: whatever is decided
 * from a field is decided from what the next hop gets.
 * @param raw alternating name and value, as they came
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

/** Where a request came from, and what it says of that. */
interface RequestOrigin {
  /** See {@link fieldsOf}. */
  readonly fields: HeaderList;
  /** The address of the other end of its connection. */
  readonly address: string;
  /** Names it in the logs of every pod that it passes. */
  readonly id: string;
}

/** What a gateway pod gets of a client's headers. */
export type RequestHeaders = (request: RequestOrigin) => string[];

/**
 * Makes the headers that a gateway pod gets: without those of this hop and without internal ones, which nobody outside may set.
 * `x-forwarded-for`, `-proto` and `-host` are always this pod's: what trusted proxies say, else what it sees itself. So the first
 * address in `x-forwarded-for` is the client's. Nothing else passes of what a peer that is not trusted says about itself.
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

/** Whether a field says where a request came from. */
const isForwarded = (name: string): boolean =>
  name.startsWith('x-forwarded-') || name === 'forwarded' || name === 'x-real-ip';

/**
 * What the client gets of a gateway pod's headers, whose names are in lower case: without those of that hop and without internal
 * ones. The length is left to who sends the body.
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
