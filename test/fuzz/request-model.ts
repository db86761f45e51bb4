/**
 * Requests as bytes with their allowed outcomes according to the standards, without any of the code under test.
 */
import fc from 'fast-check';
import { BROKEN_FRAMING, GOOD_FRAMING, good, ODD_FRAMING } from './framing.ts';

export const GUILD = '197038439483310086';
/** A request inside bodies and headers. A parser that reads it has accepted a smuggled request. */
const SMUGGLED = `GET /app/${GUILD}/smuggled?t=smuggled HTTP/1.1\r\nHost: bot.example\r\nX-T: smuggled\r\n\r\n`;

/**
 * - `must`: it is valid; the bot must get it and the client must get the bot's response
 * - `may`: the server may serve or reject it; if served, then as it was sent
 * - `never`: the bot must not get it
 */
export type Expectation = 'must' | 'may' | 'never';

export interface SentRequest {
  readonly bytes: string;
  readonly token: string;
  readonly method: string;
  readonly path: string;
  readonly expectation: Expectation;
  /** Its end is ambiguous, so nothing after it is valid. */
  readonly broken: boolean;
  /** Only its body is invalid. A bot that does not read it may respond before the error is detected. */
  readonly cut: boolean;
  /** The fields that the bot must get, and those that it must not get. */
  readonly present: ReadonlyMap<string, string>;
  readonly absent: ReadonlySet<string>;
  readonly body: string;
}

const BOTS_PATHS = [
  ...[`/app/${GUILD}/x`, `/app/${GUILD}`, `/api/guilds/${GUILD}/notes`, '/', '/free/path'],
  ...['/status/421', '/status/503', '/status/429', `/app/${GUILD}/status/410`, `/app/${GUILD}/status/421`],
];
const OTHER_PATHS = [
  ...['/webhooks/stripe', '/webhooks/stripe', '/webhooks/discord', '/webhooks/discord-events'],
  ...['/_guildway/state', '/_guildway/hints/key%3Ax', '/healthz', '/app/123', '/app/x'],
];

/** Spellings of a path that some router reads as another path. */
const MUTATIONS: readonly ((path: string, at: number) => string)[] = [
  (path) => `${path}#x`,
  (path) => `${path};x=1`,
  (path) => `${path}/`,
  (path) => `${path}//`,
  (path) => `/${path}`,
  (path) => `${path}%2f`,
  (path) => `${path}%23x`,
  (path) => `${path}%3bx`,
  (path) => `${path}%00`,
  (path) => `${path}%zz`,
  (path) => `${path}\xe9`,
  (path) => `${path}"`,
  (path) => `${path}/../x`,
  (path) => `/x/..${path}`,
  (path) => `/x/%2E%2e${path}`,
  (path) => `/.${path}`,
  (path) => path.replaceAll('/', '\\'),
  (path, at) => splice(path, at, (character) => `%${character.charCodeAt(0).toString(16)}`),
  (path, at) => splice(path, at, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`),
  (path, at) => splice(path, at, (character) => character.toUpperCase()),
  (path, at) => splice(path, at, (character) => `;a=b${character}`),
  (path, at) => splice(path, at, (character) => (character === '/' ? '%2F' : character)),
  (path, at) => splice(path, at, (character) => (character === '/' ? '//' : character)),
];

const splice = (path: string, at: number, change: (character: string) => string): string => {
  const i = at % path.length;
  return path.slice(0, i) + change(path.charAt(i)) + path.slice(i + 1);
};

/** All paths that some router could read from a path. */
export function readingsOf(target: string): ReadonlySet<string> {
  const raw = target.replace(/^https?:\/\/[^/?#]*/i, '').replace(/\?.*$/s, '');
  const readings = new Set<string>();
  for (const cut of [raw, raw.replace(/#.*$/s, '')]) {
    for (const slashes of [cut, cut.replaceAll('\\', '/')]) {
      for (const decoded of [slashes, decode(slashes)]) {
        const plain = decoded
          .replaceAll('\\', '/')
          .toLowerCase()
          .replace(/[;#\0][^/]*/g, '');
        readings.add(decoded).add(normalize(plain)).add(normalize(decoded));
      }
    }
  }
  return readings;
}

export const decode = (text: string): string =>
  text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));

/** Without empty and dot segments and a last slash. */
function normalize(path: string): string {
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') segments.pop();
    else if (segment !== '' && segment !== '.') segments.push(segment);
  }
  return `/${segments.join('/')}`;
}

const VERIFIED = ['/webhooks/stripe', '/webhooks/discord', '/webhooks/discord-events'];
const isForbidden = (path: string): boolean =>
  VERIFIED.includes(path) || path === '/healthz' || path === '/_guildway' || path.startsWith('/_guildway/');

const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-connection',
  'expect',
];
/** Naming one of these in `Connection` must not remove it. */
const PROTECTED = ['cookie', 'authorization', 'idempotency-key', 'x-forwarded-for', 'host'];

const FIELDS: readonly (readonly [name: string, value: string])[] = [
  ['X-Hop', '1'],
  ['X-B', '2'],
  ['X-Own', 'caf\xe9'],
  ['Cookie', 'a=b'],
  ['Authorization', 'Bearer x'],
  ['Idempotency-Key', 'TOKEN'],
  ['Accept', 'text/event-stream'],
  ['Accept', 'text/html,*/*'],
  ['Guildway-Deferred', '5'],
  ['Guildway-Hint', 'key:x'],
  ['Guildway-Owner', '7'],
  ['TE', 'trailers'],
  ['Keep-Alive', 'timeout=5'],
  ['Proxy-Connection', 'keep-alive'],
  ['X-Forwarded-Host', 'a.example, b.example'],
  ['X-Forwarded-Host', 'a b'],
  ['X-Forwarded-Proto', 'https,http'],
  ['X-Forwarded-For', 'unknown, 1.1.1.1'],
  ['Forwarded', 'for=1.1.1.1;host=evil.example'],
  ['X-Long', SMUGGLED.replaceAll('\r\n', ' ').trim()],
];
const CONNECTIONS = [
  ...['keep-alive', 'close', 'X-Hop', 'x-hop, X-B', 'Keep-Alive , x-b', 'Idempotency-Key', 'cookie, Authorization'],
  ...['host, x-forwarded-for'],
];

const seldom = <T>(common: T, ...rare: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 20, arbitrary: fc.constant(common) }, { weight: 1, arbitrary: fc.constantFrom(...rare) });
const HOSTS = {
  one: 'Host: bot.example\r\n',
  none: '',
  empty: 'Host:\r\n',
  two: 'Host: bot.example\r\nHost: evil.example\r\n',
  same: 'Host: bot.example\r\nhost: bot.example\r\n',
  list: 'Host: a.example, b.example\r\n',
  path: 'Host: bot.example/webhooks/stripe\r\n',
  user: 'Host: bot@evil.example\r\n',
  space: 'Host: bot example\r\n',
} as const;

/** A path and its disguises, with their weights; the plain path has weight 4. */
const target = (paths: readonly string[], weight: number) =>
  fc.record({
    path: fc.constantFrom(...paths),
    mutations: fc.oneof(
      { weight: 4, arbitrary: fc.constant<[number, number][]>([]) },
      { weight, arbitrary: fc.array(fc.tuple(fc.nat(MUTATIONS.length - 1), fc.nat(40)), { maxLength: 3 }) },
    ),
  });

const parts = fc.record({
  method: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('GET', 'POST') },
    { weight: 2, arbitrary: fc.constantFrom('HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'TRACE') },
  ),
  target: fc.oneof({ weight: 5, arbitrary: target(BOTS_PATHS, 1) }, { weight: 3, arbitrary: target(OTHER_PATHS, 6) }),
  form: seldom('', 'http://bot.example', 'HTTPS://other.example:8443', 'http://user@bot.example', 'http://', '*'),
  version: seldom('1.1', '1.0', '1.0', '2.0', '0.9', '1.2'),
  host: seldom<keyof typeof HOSTS>('one', 'none', 'empty', 'two', 'same', 'list', 'path', 'user', 'space'),
  fields: fc.array(fc.constantFrom(...FIELDS), { maxLength: 4 }),
  connections: fc.oneof(
    { weight: 3, arbitrary: fc.constant<string[]>([]) },
    { weight: 1, arbitrary: fc.array(fc.constantFrom(...CONNECTIONS), { maxLength: 3 }) },
  ),
  upgrade: seldom('', 'h2c', 'websocket', 'foo, websocket', 'HTTP/2.0'),
  expect: seldom('', '100-continue', 'more'),
  framing: fc.oneof(
    { weight: 10, arbitrary: fc.constant(null) },
    { weight: 8, arbitrary: fc.constantFrom(...GOOD_FRAMING) },
    { weight: 1, arbitrary: fc.constantFrom(...ODD_FRAMING) },
    { weight: 1, arbitrary: fc.constantFrom(...BROKEN_FRAMING) },
  ),
  body: fc.oneof(
    fc.constantFrom('', 'x', SMUGGLED, '{"id":"evt_1","data":{}}', `{"guild_id":"${GUILD}"}`),
    fc.string({ maxLength: 40, unit: 'binary-ascii' }),
  ),
});

type Parts = typeof parts extends fc.Arbitrary<infer T> ? T : never;
/** The content of one connection. */
export type ConnectionInput = { readonly requests: readonly Parts[]; readonly cuts: readonly number[] };

/** The requests of one connection, and the places where their bytes are split into packets. */
export const connections = fc.record({
  requests: fc.array(parts, { minLength: 1, maxLength: 5 }),
  cuts: fc.oneof(
    { weight: 1, arbitrary: fc.constant<number[]>([]) },
    { weight: 1, arbitrary: fc.array(fc.nat(2_000), { maxLength: 4 }) },
  ),
});

/** Writes one request with a token that identifies it everywhere. */
export function write(given: Parts, token: string): SentRequest {
  const { method, form, version, host, upgrade, expect } = given;
  const path = given.target.mutations.reduce(
    (text, [i, at]) => (MUTATIONS[i] as (typeof MUTATIONS)[number])(text, at),
    given.target.path,
  );
  const target = form === '*' ? '*' : `${form}${path}?t=${token}`;
  const framed = given.framing === null ? good('', '') : given.framing(given.body);
  const upgrades = upgrade === '' ? [] : ['Upgrade'];
  const fields = given.fields.map(([name, value]) => [name, value === 'TOKEN' ? token : value] as const);
  const named = [...given.connections, ...upgrades];
  const bytes =
    `${method} ${target} HTTP/${version}\r\n${HOSTS[host]}X-T: ${token}\r\n` +
    fields.map(([name, value]) => `${name}: ${value}\r\n`).join('') +
    named.map((value) => `Connection: ${value}\r\n`).join('') +
    (upgrade === '' ? '' : `Upgrade: ${upgrade}\r\n`) +
    (expect === '' ? '' : `Expect: ${expect}\r\n`) +
    `${framed.fields}\r\n${framed.body}`;

  const opensSocket = method === 'GET' && version === '1.1' && /websocket/.test(upgrade) && given.framing === null;
  const readings = [...readingsOf(target)];
  const clean =
    given.target.mutations.length === 0 &&
    BOTS_PATHS.includes(given.target.path) &&
    ['', 'http://bot.example'].includes(form);
  const wellHosted = host === 'one' || (host === 'none' && version === '1.0' && form === '') || host === 'empty';
  const never =
    readings.some(isForbidden) ||
    form === '*' ||
    ['two', 'same', 'list', 'path', 'user', 'space'].includes(host) ||
    (host === 'none' && version === '1.1') ||
    framed.kind === 'broken' ||
    (framed.kind === 'cut' && method !== 'GET' && method !== 'HEAD') ||
    !['1.0', '1.1'].includes(version) ||
    opensSocket ||
    expect === 'more';
  const must =
    clean &&
    wellHosted &&
    framed.kind === 'good' &&
    version === '1.1' &&
    upgrade === '' &&
    !['TRACE', 'QUERY'].includes(method);
  const options = new Set(named.flatMap((value) => value.split(',')).map((name) => name.trim().toLowerCase()));
  const absent = new Set([...HOP_BY_HOP, 'guildway-deferred', 'guildway-hint', 'guildway-owner', 'forwarded']);
  const present = new Map<string, string>();
  for (const [name, value] of fields) {
    const key = name.toLowerCase();
    if (options.has(key) && !PROTECTED.includes(key)) absent.add(key);
    // Forwarding headers are rewritten.
    else if (!absent.has(key) && !key.startsWith('x-forwarded-')) {
      const separator = key === 'cookie' ? '; ' : ', ';
      present.set(key, present.has(key) ? `${present.get(key)}${separator}${value}` : value);
    }
  }
  return {
    ...{ bytes, token, method, path, present, absent },
    expectation: never ? 'never' : must ? 'must' : 'may',
    broken: framed.kind === 'broken' || framed.kind === 'cut',
    cut: framed.kind === 'cut',
    body: method === 'GET' || method === 'HEAD' || given.framing === null ? '' : given.body,
  };
}
