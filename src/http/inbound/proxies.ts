import { BlockList, isIP } from 'node:net';
import { fieldValue, type HeaderList } from '../../protocol/headers.ts';
import { isHost } from './host.ts';

/** Which proxies in front of this pod are believed: so many of them, or those with these addresses and networks. */
export type TrustedProxies = number | readonly string[];

/** The other end of a connection. */
export interface Peer {
  readonly address: string;
  /** Whether it is believed what it says of where a request came from. */
  readonly trusted: boolean;
}

/** What the header fields of a request say of where it came from; each joined, where it was sent several times. */
export interface ForwardedFields {
  /** `X-Forwarded-For`, `-Proto`, `-Host`. */
  for?: string;
  proto?: string;
  host?: string;
  /** `Forwarded` (RFC 7239). */
  forwarded?: string;
}

/** Where a request came from, as far as this pod believes it. */
export interface Origin {
  /** The client's address, and those of the proxies that it came through, in the order in which it passed them. */
  readonly addresses: readonly string[];
  readonly protocol: 'http' | 'https';
  /** What the client called this service, where a proxy says so. */
  readonly host: string | undefined;
}

/** What a proxy says of a request. */
interface Said {
  readonly addresses: readonly string[];
  readonly protocol: string | undefined;
  readonly host: string | undefined;
}

/** Who sent a request; null where a trusted proxy does not say. */
export type ClientOf = (request: { readonly fields: HeaderList; readonly address: string }) => string | null;

/** Peers are few where a balancer is in front. Where clients of all kinds are, what is known of them is forgotten now and then. */
const MAX_KNOWN = 1_000;
const NOTHING_SAID: Said = Object.freeze({ addresses: [], protocol: undefined, host: undefined });

/**
 * Finds out where requests came from. A proxy says so in `X-Forwarded-*` or `Forwarded`; so could anybody. Only what trusted proxies
 * say counts, and of a list of addresses only what they have added to it.
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

  /** @param remoteAddress as a socket has it */
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

  /** Where a request came from that a trusted peer has sent. */
  originOf(fields: ForwardedFields, peer: Peer): Origin {
    const { addresses, protocol, host } = said(fields);
    const way = [...addresses, peer.address];
    return {
      addresses: way.slice(this.#clientIn(way)),
      protocol: protocol === 'https' || protocol === 'wss' ? 'https' : 'http',
      host: host !== undefined && isHost(host) ? host : undefined,
    };
  }

  /** Where the client is among addresses of which the last is the peer's: the last that is no trusted proxy's. */
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

/** `X-Forwarded-*` where there is any: a proxy that writes those often passes on a client's `Forwarded` as it came. */
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

/** Of a list to which each proxy appends, the first is what the client's own proxy saw. */
const firstOf = (list: string | undefined): string | undefined => list?.split(',', 1)[0]?.trim();

/** The addresses at the end of a list, down to the first entry that is none: nothing before it can be believed. */
function lastAddresses(entries: readonly (string | undefined)[]): string[] {
  const addresses: string[] = [];
  for (const entry of entries.toReversed()) {
    const address = addressOf(entry ?? '');
    if (address === null) break;
    addresses.unshift(address);
  }
  return addresses;
}

/** An address without its port and brackets, or null for anything else. One of IPv4 within IPv6 is that of IPv4. */
function addressOf(text: string): string | null {
  const trimmed = text.trim();
  const bare = /^\[([^\]]+)\](?::\d{1,5})?$/.exec(trimmed)?.[1] ?? /^(\d[\d.]+):\d{1,5}$/.exec(trimmed)?.[1] ?? trimmed;
  const address = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
  return isIP(address) === 0 ? null : address;
}

const PAIR = /^([!#$%&'*+.^_`|~0-9a-z-]+)=(?:([!#$%&'*+.^_`|~0-9a-z-]+)|"((?:[^"\\]|\\.)*)")$/i;
/** Parts between commas or semicolons, neither of which ends anything inside of quotes. */
const ELEMENTS = /(?:[^,"]|"(?:[^"\\]|\\.)*"?)+/g;
const PAIRS = /(?:[^;"]|"(?:[^"\\]|\\.)*"?)+/g;

/** RFC 7239, 4. What is not in its form counts as nothing at all. */
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
