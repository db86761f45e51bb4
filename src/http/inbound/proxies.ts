import { BlockList, isIP } from 'node:net';
import { fieldValue, type HeaderList } from '../../protocol/headers.ts';
import { isHost } from './host.ts';

/** The trusted proxies in front of this pod: a number of hops, or addresses and networks. */
export type TrustedProxies = number | readonly string[];

/** The peer of a connection. */
export interface Peer {
  readonly address: string;
  /** Whether its forwarding headers are trusted. */
  readonly trusted: boolean;
}

/** The forwarding header fields of a request. Repeated fields are joined. */
export interface ForwardedFields {
  /** `X-Forwarded-For`, `-Proto`, `-Host`. */
  for?: string;
  proto?: string;
  host?: string;
  /** `Forwarded` (RFC 7239). */
  forwarded?: string;
}

/** The trusted origin of a request. */
export interface Origin {
  /** The addresses of the client and of the proxies, in the order of the hops. */
  readonly addresses: readonly string[];
  readonly protocol: 'http' | 'https';
  /** The host in the client's request, if a proxy reports it. */
  readonly host: string | undefined;
}

/** A proxy's report about a request. */
interface Said {
  readonly addresses: readonly string[];
  readonly protocol: string | undefined;
  readonly host: string | undefined;
}

/** The client of a request; null if a trusted proxy does not name it. */
export type ClientOf = (request: { readonly fields: HeaderList; readonly address: string }) => string | null;

/** Behind a load balancer there are few peers. Without one there are many, so the cache is cleared at this size. */
const MAX_KNOWN = 1_000;
const NOTHING_SAID: Said = Object.freeze({ addresses: [], protocol: undefined, host: undefined });

/**
 * Determines the origin of requests. Proxies report it in `X-Forwarded-*` or `Forwarded`, which any client can forge. Only reports of
 * trusted proxies count, and in a list only the addresses that they added.
 */
export class Proxies {
  readonly #count: number | null;
  readonly #networks = new BlockList();
  readonly #known = new Map<string, Peer>();

  /** @param trusted valid addresses and networks, such as `10.0.0.0/8` */
  constructor(trusted: TrustedProxies) {
    this.#count = typeof trusted === 'number' ? trusted : null;
    if (typeof trusted === 'number') return;
    for (const network of trusted) {
      const [address, prefix] = network.split('/') as [string, string | undefined];
      const bits = isIP(address) === 6 ? 128 : 32;
      this.#networks.addSubnet(address, prefix === undefined ? bits : Number(prefix), bits === 128 ? 'ipv6' : 'ipv4');
    }
  }

  /** @param remoteAddress the `remoteAddress` of a socket */
  peer(remoteAddress: string): Peer {
    const known = this.#known.get(remoteAddress);
    if (known !== undefined) return known;
    const address = addressOf(remoteAddress) ?? remoteAddress;
    const trusted = this.#count === null ? this.#isTrusted(address) : this.#count > 0;
    const peer = Object.freeze({ address, trusted });
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(remoteAddress, peer);
    return peer;
  }

  /** See {@link ClientOf}. */
  readonly clientOf: ClientOf = ({ fields, address }) => {
    const peer = this.peer(address);
    if (!peer.trusted) return peer.address;
    const said = fieldValue(fields, 'x-forwarded-for');
    return said === undefined ? null : (this.originOf({ for: said }, peer).addresses[0] ?? null);
  };

  /** The origin of a request from a trusted peer. */
  originOf(fields: ForwardedFields, peer: Peer): Origin {
    const { addresses, protocol, host } = said(fields);
    const way = [...addresses, peer.address];
    return {
      addresses: way.slice(this.#clientIn(way)),
      protocol: protocol === 'https' || protocol === 'wss' ? 'https' : 'http',
      host: host !== undefined && isHost(host) ? host : undefined,
    };
  }

  /** The index of the client in addresses that end with the peer's: the last one that is not a trusted proxy. */
  #clientIn(way: readonly string[]): number {
    const last = way.length - 1;
    if (this.#count !== null) return Math.max(0, last - this.#count);
    let at = last;
    while (at > 0 && this.#isTrusted(way[at] as string)) at--;
    return at;
  }

  #isTrusted(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#networks.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

/** Prefers `X-Forwarded-*`: proxies that set it often forward a client's `Forwarded` unchanged. */
function said(fields: ForwardedFields): Said {
  const { for: addresses, proto, host, forwarded } = fields;
  if (addresses === undefined && proto === undefined && host === undefined) {
    return forwarded === undefined ? NOTHING_SAID : parseForwarded(forwarded);
  }
  return {
    addresses: lastAddresses(addresses?.split(',') ?? []),
    protocol: firstOf(proto)?.toLowerCase(),
    host: firstOf(host),
  };
}

/** The first entry of a list to which each proxy appends, from the proxy next to the client. */
const firstOf = (list: string | undefined): string | undefined => list?.split(',', 1)[0]?.trim();

/** The addresses at the end of a list, back to the first invalid entry. Nothing before it can be trusted. */
function lastAddresses(entries: readonly (string | undefined)[]): string[] {
  const addresses: string[] = [];
  for (const entry of entries.toReversed()) {
    const address = addressOf(entry ?? '');
    if (address === null) break;
    addresses.unshift(address);
  }
  return addresses;
}

/** An address without port and brackets, or null if it is invalid. An IPv4-mapped IPv6 address becomes IPv4. */
function addressOf(text: string): string | null {
  const trimmed = text.trim();
  const bare = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(trimmed)?.[1] ?? /^(\d[\d.]+):\d{1,5}$/.exec(trimmed)?.[1] ?? trimmed;
  const address = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
  return isIP(address) === 0 ? null : address;
}

const PAIR = /^([!#$%&'*+.^_`|~0-9a-z-]+)=(?:([!#$%&'*+.^_`|~0-9a-z-]+)|"((?:[^"\\]|\\.)*)")$/i;
/** Splits at commas or semicolons outside quotes. */
const ELEMENTS = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g;
const PAIRS = /(?:[^;"]|"(?:[^"\\]|\\.)*"?)+/g;

/** Parses `Forwarded` (RFC 7239, 4). A malformed value is ignored. */
function parseForwarded(value: string): Said {
  const hops: Partial<Record<string, string>>[] = [];
  for (const element of value.match(ELEMENTS) ?? []) {
    const hop: Partial<Record<string, string>> = {};
    for (const pair of element.match(PAIRS) ?? []) {
      if (pair.trim() === '') continue;
      const [, name, token, quoted] = PAIR.exec(pair.trim()) ?? [];
      if (name === undefined) return NOTHING_SAID;
      hop[name.toLowerCase()] = token ?? quoted?.replace(/\\(.)/g, '$1') ?? '';
    }
    hops.push(hop);
  }
  const [first] = hops;
  const addresses = lastAddresses(hops.map((hop) => hop.for));
  return { addresses, protocol: first?.proto?.toLowerCase(), host: first?.host };
}
