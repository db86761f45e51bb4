/** The parser of the fast path against Node's HTTP server, with the same bytes. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { RequestParsers, type WholeRequest } from '../../../../../src/http/inbound/fast-path/parser.ts';
import { fieldsOf } from '../../../../../src/http/inbound/headers.ts';
import { normalTarget } from '../../../../../src/protocol/target.ts';

const parsers = RequestParsers.find(16 * 1024) as RequestParsers;
const parser = parsers?.create();
const parse = (text: string): WholeRequest | null => parser.parse(Buffer.from(text, 'latin1'));
const get = 'GET /app/1?a=b HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n';
const post = (body: string, extra = '') =>
  `POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n${extra}\r\n${body}`;

test('this version of Node has the parser, and it behaves as expected', () => {
  assert.notEqual(parsers, null);
});

test('whole requests are read one after another', () => {
  assert.deepEqual(parse(get), {
    ...{ method: 'GET', url: '/app/1?a=b', fields: ['host', 'a', 'x-y', 'z'], body: Buffer.alloc(0) },
  });
  assert.equal(parse(post('{"a":1}'))?.body.toString(), '{"a":1}');
  for (const method of ['HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    assert.equal(parse(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`)?.method, method);
  }
});

test('anything else is left to the server, and the next whole request is read', () => {
  const others = {
    'half a head': 'GET / HTTP/1.1\r\nHos',
    'half a body': post('abc').slice(0, -1),
    'two requests': get + get,
    'one and a half': `${get}GET / HTTP/1.1\r\n`,
    'one and the first letter of another': `${get}G`,
    'a body and one letter more': `${post('abc')}G`,
    'a body and half a request': `${post('abc')}GET / HTTP/1.1\r\nHost`,
    'a body that looks like its end, and more': `${post('\r\n\r\n')}GET`,
    'one with a body after one without': get + post('abc'),
    'an older version': 'GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n',
    'a connection that is to be closed': 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    'an upgrade': 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'a tunnel': 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n',
    'a chunked body': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
    'an expectation': post('abc', 'Expect: 100-continue\r\n'),
    'no host': 'GET / HTTP/1.1\r\n\r\n',
    'two hosts': 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'two lengths': post('abc', 'Content-Length: 3\r\n'),
    'more headers than the parser hands over at once': `GET / HTTP/1.1\r\nHost: a\r\n${'x: y\r\n'.repeat(40)}\r\n`,
    'a head that is too long': `GET / HTTP/1.1\r\nHost: a\r\nx: ${'y'.repeat(17 * 1024)}\r\n\r\n`,
    'bare line feeds': 'GET / HTTP/1.1\nHost: a\n\n',
    'a folded header': 'GET / HTTP/1.1\r\nHost: a\r\nx: y\r\n z\r\n\r\n',
    'a space before the colon': 'GET / HTTP/1.1\r\nHost: a\r\nx : y\r\n\r\n',
    'no HTTP': 'hello\r\n\r\n',
    nothing: '',
  };
  for (const [what, bytes] of Object.entries(others)) {
    assert.equal(parse(bytes), null, what);
    assert.equal(parse(get)?.url, '/app/1?a=b', `after ${what}`);
  }
});

/** The requests that Node's server reads from these bytes, and whether it rejected anything. */
async function throughNode(bytes: Buffer): Promise<{ requests: WholeRequest[]; refused: boolean }> {
  const requests: WholeRequest[] = [];
  let refused = false;
  const server = createServer({ maxHeaderSize: 16 * 1024 }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url: raw = '', rawHeaders } = request;
      // The fast path normalizes the target; Node's server leaves it unchanged.
      const url = normalTarget(raw)?.target ?? raw;
      requests.push({ method, url, fields: fieldsOf(rawHeaders), body: Buffer.concat(chunks) });
    });
    response.end();
  });
  server.on('clientError', (_error, socket) => {
    refused = true;
    socket.destroy();
  });
  const [client, side] = duplexPair();
  server.emit('connection', side);
  client.resume().on('error', () => {});
  const closed = new Promise((resolve) => side.once('close', resolve));
  client.end(bytes);
  await closed;
  return { requests, refused };
}

const token = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/);
const value = fc.stringMatching(/^[!-~]([ -~\u00a0-\u00ff]{0,20}[!-~])?$/);
const request = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'),
    url: fc.constantFrom('/', '/app/197038439483310086/x', '/a?b=c&d', '/%2e%2e/', 'http://a/b', '*'),
    headers: fc.array(
      fc.oneof(
        fc.tuple(token, value),
        fc.constantFrom<[string, string][]>(
          ['Connection', 'keep-alive'],
          ['Connection', 'close'],
          ['Expect', '100-continue'],
          ['Transfer-Encoding', 'chunked'],
          ['Upgrade', 'h2c'],
          ['Content-Length', '3'],
          ['Host', 'b'],
        ),
      ),
      { maxLength: 6 },
    ),
    body: fc.option(fc.string({ maxLength: 30 }).map((text) => text.replace(/[^\0-\xff]/g, '?'))),
  })
  .map(({ method, url, headers, body }) => {
    const lines = headers.map(([name, content]) => `${name}: ${content}\r\n`).join('');
    const length = body === null ? '' : `Content-Length: ${body.length}\r\n`;
    return `${method} ${url} HTTP/1.1\r\nHost: a\r\n${lines}${length}\r\n${body ?? ''}`;
  });
/** Mostly nothing. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });

/** A request, several, parts of them, and hostile variants. */
const bytes = fc
  .tuple(
    request,
    seldom(fc.oneof(request, fc.constantFrom('G', 'GET / HT', '\r\n', '\r\n\r\n', '\0'))),
    seldom(
      fc.record({
        at: fc.nat(400),
        cut: fc.nat(3),
        put: fc.constantFrom('', '\r', '\n', '\r\n', '\r\n\r\n', ' ', ':', '\0', '\x7f', '\xff', '0', ','),
      }),
    ),
    seldom(fc.nat(400)),
  )
  .map(([first, rest, change, end]) => {
    let text = first + (rest ?? '');
    if (change !== null) text = text.slice(0, change.at) + change.put + text.slice(change.at + change.cut);
    return Buffer.from(end === null ? text : text.slice(0, end), 'latin1');
  });

test('a whole request is the same single request for Node', async () => {
  let whole = 0;
  await fc.assert(
    fc.asyncProperty(bytes, async (chunk) => {
      const request = parser.parse(chunk);
      if (request === null) return;
      whole++;
      const { requests, refused } = await throughNode(chunk);
      assert.deepEqual({ requests, refused }, { requests: [request], refused: false });
    }),
    { numRuns: 5_000 },
  );
  assert.ok(whole > 500, `only ${whole} whole requests were among them`);
});
