/** Responses of bots, and of servers in their place: valid, nearly valid, and with false lengths. */
import fc from 'fast-check';

/** A response inside a body. A client or pod that reads it has confused two responses. */
const SMUGGLED = 'HTTP/1.1 200 OK\r\ncontent-length: 8\r\nset-cookie: smuggled=1\r\n\r\nsmuggled';
/** Identifies a response in all its forms. */
const mark = (token: string): string => `<${token}>`;
/** The tokens in a text. */
export const tokensIn = (text: string): readonly string[] =>
  [...text.matchAll(/<(k\d+)>/g)].map(([, token]) => token as string);

const often = <T>(common: T, ...rare: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(common) }, { weight: 2, arbitrary: fc.constantFrom(...rare) });

/** The declared length of a response, which may be wrong. */
type Length = 'none' | 'true' | 'short' | 'long' | 'zero' | 'two' | 'no number';
const LENGTHS: Readonly<Record<Length, (length: number) => readonly string[]>> = {
  none: () => [],
  true: (length) => [String(length)],
  short: (length) => [String(Math.max(0, length - 3))],
  long: (length) => [String(length + 3)],
  zero: () => ['0'],
  two: (length) => [String(length), String(length + 1)],
  'no number': (length) => [`+${length}`],
};
const length = often<Length>('none', 'true', 'short', 'long', 'zero', 'two', 'no number');

/** Each is `[name, value]`. A bot's headers usually pass through `Headers`, unless a handler returns an object of another library. */
const FIELDS: readonly (readonly [string, string])[] = [
  ['content-type', 'text/html; charset=utf-8'],
  ['set-cookie', 'a=b; HttpOnly'],
  ['x-odd', 'caf\xe9'],
  ['content-encoding', 'gzip'],
  ['transfer-encoding', 'chunked'],
  ['transfer-encoding', 'identity'],
  ['connection', 'close'],
  ['connection', 'keep-alive, content-length, x-odd'],
  ['keep-alive', 'timeout=900'],
  ['trailer', 'x-odd'],
  ['upgrade', 'h2c'],
  ['guildway-owner', '7'],
  ['guildway-refusal', 'not looked at'],
  ['guildway-failure', 'made up'],
  ['x-response', SMUGGLED.replaceAll('\r\n', ' ')],
];
/** Headers that `Headers` rejects or changes. */
const STRANGE_FIELDS: readonly (readonly [string, string])[] = [
  ['Content-Length', '3'],
  ['Transfer-Encoding', 'chunked'],
  ['content-length ', '3'],
  ['transfer-encoding:chunked\r\nx', '1'],
  ['x-odd', `1\r\n\r\n${SMUGGLED}`],
  ['x-odd', '1\r\ncontent-length: 3'],
  ['x-odd', '\u010a\u010d'],
  ['x-odd', 'a\0b'],
  ['', 'no name'],
];

const OK = 'HTTP/1.1 200 OK\r\nx-t: {token}\r\n';
/** Bytes that are not one response, or have no clear end. */
const BROKEN: readonly string[] = [
  '',
  '\r\n\r\n',
  'SSH-2.0-x\r\n',
  OK,
  `${OK}content-length: 4\r\n\r\n12`,
  `${OK}content-length: 4\r\n\r\n1234${OK}content-length: 1\r\n\r\nx`,
  `${OK}content-length: 4\r\ncontent-length: 5\r\n\r\n12345`,
  `${OK}content-length: 4, 4\r\n\r\n1234`,
  `${OK}content-length: -4\r\n\r\n1234`,
  `${OK}content-length: 99999999999999999999\r\n\r\n1234`,
  `${OK}transfer-encoding: chunked\r\n\r\nzz\r\n1234\r\n0\r\n\r\n`,
  `${OK}transfer-encoding: chunked\r\n\r\n4\r\n1234\r\n0\r\nx-t: trailer\r\n\r\n`,
  `${OK}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n1234`,
  `${OK}transfer-encoding: gzip\r\n\r\n1234`,
  `${OK}x: y\nz: a\r\ncontent-length: 1\r\n\r\nx`,
  `${OK}x-huge: ${'h'.repeat(200 * 1_024)}\r\ncontent-length: 0\r\n\r\n`,
  `${OK}${'x-n: yyy\r\n'.repeat(20_000)}content-length: 0\r\n\r\n`,
  `${OK}guildway-refusal: owner\r\nguildway-owner: 99\r\ncontent-length: 0\r\n\r\n`,
  'HTTP/1.1 421 X\r\nguildway-refusal: owner\r\nguildway-owner: 1\r\nguildway-epoch: x\r\ncontent-length: 0\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x81\x7f\xff\xff\xff\xff',
  'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  `${'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(2_000)}${OK}content-length: 1\r\n\r\nx`,
  'HTTP/1.1 100 Continue\r\n\r\n'.repeat(500),
  'HTTP/1.1 102 Processing\r\ncontent-length: 5\r\n\r\nhello',
];

const status = fc.oneof(
  { weight: 6, arbitrary: fc.constant(200) },
  { weight: 4, arbitrary: fc.constantFrom(201, 204, 205, 206, 301, 304, 401, 404, 421, 429, 500, 503, 599) },
  { weight: 1, arbitrary: fc.constantFrom(0, 99, 100, 101, 103, 199, 600, 999) },
);
const chunks = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('', 'x', 'text', SMUGGLED, '\r\n', '0\r\n\r\n') },
    { weight: 1, arbitrary: fc.constant('x'.repeat(70_000)) },
  ),
  { maxLength: 4 },
);
/** A head that exceeds the limit of a hop. */
const large = fc.oneof(
  { weight: 12, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constantFrom([1, 17_000], [1, 70_000], [300, 100], [3_000, 10]) },
) as fc.Arbitrary<readonly [count: number, bytes: number] | null>;

const shared = { status, length, fields: fc.uniqueArray(fc.constantFrom(...FIELDS), { maxLength: 3 }), chunks, large };

/** A handler's response. */
export const botAnswers = fc.record({
  ...shared,
  /** Turns of the event loop before each chunk of a stream. */
  pace: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(20) }),
  strange: fc.oneof(
    { weight: 4, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constantFrom(...STRANGE_FIELDS) },
  ),
  body: often<'stream' | 'whole' | 'none' | 'fails' | 'no bytes' | 'throws'>(
    'stream',
    'whole',
    'none',
    'fails',
    'no bytes',
    'throws',
  ),
});
export type BotAnswer = typeof botAnswers extends fc.Arbitrary<infer T> ? T : never;

/** A response of another server at a gateway pod's address. */
export const serverAnswers = fc.record({
  ...shared,
  /** Sent instead of everything else, with the token in place of `{token}`. */
  broken: fc.oneof(
    { weight: 3, arbitrary: fc.constant(null) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...BROKEN), fc.constantFrom('', '', ...BROKEN))
        .map(([first, second]) => first + second),
    },
  ),
  version: often('HTTP/1.1', 'HTTP/1.0', 'HTTP/1.2', 'HTTP/2', 'http/1.1', ''),
  coding: often<'none' | 'chunked' | 'chunked with a length' | 'chunks that break off' | 'no chunks'>(
    ...(['none', 'chunked', 'chunked with a length', 'chunks that break off', 'no chunks'] as const),
  ),
  interim: often('', 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', 'HTTP/1.1 100 Continue\r\n\r\n'),
  surplus: often('', SMUGGLED, 'x', '\r\n', 'HTTP/1.1 2'),
  strange: fc.oneof(
    { weight: 6, arbitrary: fc.constant('') },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'content-length : 3\r\n',
        ' folded: 1\r\n',
        'x-odd: a\0b\r\n',
        'x-odd: a\rb\r\n',
        'no colon\r\n',
        ': 1\r\n',
      ),
    },
  ),
  end: often<'keeps' | 'ends' | 'resets'>('keeps', 'ends', 'resets'),
  cut: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat(400) }),
});
export type ServerAnswer = typeof serverAnswers extends fc.Arbitrary<infer T> ? T : never;

const largeFields = (given: BotAnswer['large']): (readonly [string, string])[] =>
  given === null ? [] : Array.from({ length: given[0] }, (_, i) => [`x-large-${i}`, 'x'.repeat(given[1])] as const);

const bytesOf = ({ chunks: parts }: Pick<BotAnswer, 'chunks'>, token: string): readonly string[] => [
  mark(token),
  ...parts,
];

/** The whole body that a client should get, as latin-1. */
export const bodyOf = (answer: Pick<BotAnswer, 'chunks'> & { body?: BotAnswer['body'] }, token: string): string =>
  answer.body === 'none' ? '' : bytesOf(answer, token).join('');

/** The response of a handler. @throws anything that a handler may throw */
export function responseOf(answer: BotAnswer, token: string): Response {
  const parts = bytesOf(answer, token);
  const fields = [
    ...[...answer.fields, ...largeFields(answer.large), ['x-t', token] as const],
    ...LENGTHS[answer.length](bodyOf(answer, token).length).map((value) => ['content-length', value] as const),
    ...(answer.strange === null ? [] : [answer.strange]),
  ];
  if (answer.body === 'throws') throw new Error('the handler fails');
  const body = bodyFor(answer, parts);
  const isStandard = answer.strange === null && answer.status >= 200 && answer.status <= 599;
  if (isStandard) return new Response(body, { status: answer.status, headers: fields as [string, string][] });
  const stream = body === null || body instanceof ReadableStream ? body : new Response(body).body;
  // A response of a library with fewer checks than the web standard.
  return { status: answer.status, headers: fields, body: stream } as unknown as Response;
}

function bodyFor(
  { body: kind, pace }: BotAnswer,
  parts: readonly string[],
): ReadableStream<Uint8Array> | Buffer<ArrayBuffer> | null {
  const encoded = parts.map((part) => Buffer.from(part, 'latin1'));
  if (kind === 'none') return null;
  if (kind === 'whole') return Buffer.concat(encoded);
  let next = 0;
  let textWas = false;
  return new ReadableStream({
    async pull(controller) {
      for (let turn = 0; turn < pace; turn++) await new Promise((resolve) => setImmediate(resolve));
      const chunk = encoded[next++];
      if (chunk !== undefined) controller.enqueue(chunk);
      else if (kind === 'fails') controller.error(new Error('the stream fails'));
      else if (kind === 'no bytes' && !textWas) {
        textWas = true;
        controller.enqueue('text and no bytes' as unknown as Buffer);
      } else controller.close();
    },
  });
}

/** The bytes of the response, in the parts that are written. */
export function wireOf(
  answer: ServerAnswer,
  token: string,
): { readonly parts: readonly string[]; readonly end: ServerAnswer['end'] } {
  if (answer.broken !== null) return { parts: [answer.broken.replaceAll('{token}', token)], end: answer.end };
  const body = bodyOf(answer, token);
  const chunked = answer.coding !== 'none';
  const lengths =
    answer.coding === 'none' || answer.coding === 'chunked with a length' ? LENGTHS[answer.length](body.length) : [];
  const head =
    `${answer.version} ${answer.status} Some Reason\r\nx-t: ${token}\r\n` +
    [...answer.fields, ...largeFields(answer.large)].map(([name, value]) => `${name}: ${value}\r\n`).join('') +
    lengths.map((value) => `content-length: ${value}\r\n`).join('') +
    (chunked ? 'transfer-encoding: chunked\r\n' : '') +
    `${answer.strange}\r\n`;
  const parts = bytesOf(answer, token).filter((part) => part !== '');
  const coded = {
    ...{ none: parts, 'chunked with a length': chunksOf(parts, '0\r\n\r\n'), chunked: chunksOf(parts, '0\r\n\r\n') },
    ...{ 'chunks that break off': chunksOf(parts, ''), 'no chunks': parts },
  }[answer.coding];
  const whole = [`${answer.interim}${head}`, ...coded, answer.surplus].join('');
  if (answer.cut !== null && answer.cut < whole.length) return { parts: [whole.slice(0, answer.cut)], end: 'ends' };
  // Written together with the bytes before it. Bytes that arrive after the next request look like its response.
  return { parts: [`${answer.interim}${head}`, coded.join('') + answer.surplus], end: answer.end };
}

const chunksOf = (parts: readonly string[], end: string): readonly string[] => [
  ...parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`),
  end,
];
