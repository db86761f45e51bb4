import {
  type HeaderList,
  isHopByHop,
  isInternal,
  namesNoField,
  withoutNamedByConnection,
} from '../protocol/headers.ts';

export { fieldValue } from '../protocol/headers.ts';

/** What this pod writes itself. */
const REWRITTEN: ReadonlySet<string> = new Set(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host']);

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

/**
 * What a gateway pod gets of a client's headers: without those of this hop and without internal ones, which nobody outside may
 * set; with the client's address added to `x-forwarded-for`. Protocol and host are what a proxy in front of this pod says they
 * were, else what this pod sees.
 * @param fields see {@link fieldsOf}
 */
export function requestHeaders(fields: HeaderList, address: string): string[] {
  const list: string[] = [];
  let before: string | undefined;
  let proto: string | undefined;
  let host: string | undefined;
  let forwardedHost: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (name.startsWith('x-f') && REWRITTEN.has(name)) {
      if (name === 'x-forwarded-for') before = before === undefined ? value : `${before}, ${value}`;
      else if (name === 'x-forwarded-proto') proto ??= value;
      else forwardedHost ??= value;
    } else if (!isHopByHop(name) && !isInternal(name)) {
      if (name === 'host') host ??= value;
      list.push(name, value);
    }
  }
  list.push('x-forwarded-for', before === undefined ? address : `${before}, ${address}`);
  list.push('x-forwarded-proto', proto ?? 'http', 'x-forwarded-host', forwardedHost ?? host ?? '');
  return list;
}

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
