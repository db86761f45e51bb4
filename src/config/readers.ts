import { isIP } from 'node:net';

/** The values that a variable allows: a description, and the function that reads them. */
export interface Reader<T> {
  /** As error messages and docs/configuration.md show it. */
  readonly allowed: string;
  /** Turns a value into its typed form. Throws for a value that is not allowed; a GuildwayError says why. */
  readonly parse: (raw: string) => T;
}

export class NotAllowed extends Error {}

export function integer(min: number, max: number): Reader<number> {
  return {
    allowed: max === Number.MAX_SAFE_INTEGER ? `an integer of ${min} or more` : `an integer from ${min} to ${max}`,
    parse(raw) {
      // Number() alone accepts '', ' 3', '1e1' and '0x3'.
      const value = /^(0|[1-9][0-9]*)$/.test(raw) ? Number(raw) : Number.NaN;
      if (!(value >= min && value <= max)) throw new NotAllowed();
      return value;
    },
  };
}

export function oneOf<const T extends string>(...values: readonly T[]): Reader<T> {
  return {
    allowed: values.map((value) => `\`${value}\``).join(', '),
    parse(raw) {
      const found = values.find((value) => value === raw);
      if (found === undefined) throw new NotAllowed();
      return found;
    },
  };
}

export const text = (allowed: string, test: (raw: string) => boolean = () => true): Reader<string> => ({
  allowed,
  parse(raw: string): string {
    if (raw === '' || !test(raw)) throw new NotAllowed();
    return raw;
  },
});

export const httpUrl = text('an http:// or https:// URL', (raw) => /^https?:$/.test(URL.parse(raw)?.protocol ?? ''));
export const milliseconds = (min: number, max: number): Reader<number> => {
  const base = integer(min, max);
  return { ...base, allowed: `${base.allowed} (milliseconds)` };
};
export const bytes = (min: number, max = Number.MAX_SAFE_INTEGER): Reader<number> => {
  const base = integer(min, max);
  return { ...base, allowed: `${base.allowed} (bytes)` };
};
export const snowflake = text('a snowflake', (raw) => /^[1-9][0-9]{0,19}$/.test(raw));

const PRIVATE_NETWORKS: readonly string[] = Object.freeze([
  ...['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10'],
  ...['::1/128', 'fc00::/7', 'fe80::/10'],
]);

/** A number of proxies, or their addresses and networks. */
export function trustedProxies(raw: string): number | readonly string[] {
  if (raw === 'none') return [];
  if (/^(?:[1-9]|10)$/.test(raw)) return Number(raw);
  const networks = raw.split(',').map((network) => network.trim());
  for (const network of networks.filter((network) => network !== 'private')) {
    const [address = '', prefix = '0', ...rest] = network.split('/');
    const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
    const fits = /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits && rest.length === 0;
    if (!fits) throw new NotAllowed();
  }
  return networks.flatMap((network) => (network === 'private' ? PRIVATE_NETWORKS : network));
}
