/** The one normal form of a request target, which both services route, verify and hand to the bot. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { INTERNAL_PATHS, isWebhook, PATH } from '../../../src/protocol/paths.ts';
import { normalTarget, pathOf } from '../../../src/protocol/target.ts';

const normal = (raw: string): string | null => normalTarget(raw)?.target ?? null;

test('an ordinary target is unchanged', () => {
  for (const target of [
    '/',
    '/?',
    '/app/197038439483310086',
    '/app/197038439483310086/',
    '/app/197038439483310086/x.css?v=1&y=%20',
    '/Files/A;v=1/b+c@d:e|[f]~g',
    '/a%20b/%C3%A9/100%25?q=%2e%2F',
    '/x?a=b\\c|d`e{f}',
  ]) {
    assert.equal(normal(target), target);
  }
});

test('equivalent targets have one normal form', () => {
  for (const [raw, target] of [
    ['/%61pp/%31%2D%5f%7e', '/app/1-_~'],
    ['/a%c3%a9', '/a%C3%A9'],
    ['//app///1//', '/app/1/'],
    ['/a//%62?x=//y', '/a/b?x=//y'],
    ['/caf\xc3\xa9?q=\xe9', '/caf%C3%A9?q=%E9'],
    ['/a"b<c>d^e`f{g}', '/a%22b%3Cc%3Ed%5Ee%60f%7Bg%7D'],
    [`/x?q="'<>`, '/x?q=%22%27%3C%3E'],
    ['http://bot.example/app/1?x', '/app/1?x'],
    ['HTTPS://bot.example:8443', '/'],
    ['http://bot.example?x=1', '/?x=1'],
    ['http://bot.example//webhooks//stripe', PATH.stripe],
  ] as const) {
    assert.equal(normal(raw), target, raw);
  }
  assert.deepEqual(normalTarget('http://bot.example:80/x'), { target: '/x', authority: 'bot.example:80' });
});

test('an ambiguous target has no normal form', () => {
  for (const raw of [
    ...['', '*', 'app/1', 'bot.example:443', 'ftp://bot.example/', 'http:///x', 'http:/x', 'javascript:1'],
    ...['/webhooks/stripe#x', '/#', '/x?a#b', 'http://bot.example#x', '/app\\1', '/app/%5c1', '/app%2F1', '/app%2f1'],
    ...[
      '/app/1/../2',
      '/app/1/%2e%2E/2',
      '/app/1/.%2e/2',
      '/x/..;a=b/app/1',
      '/x/..%3Ba/app',
      '/x/.;/app',
      '/x/..%23/app',
      '/app/./1',
      '/..',
      '/app/%2e',
      'http://h/../x',
    ],
    ...['/a%', '/a%2', '/a%zz', '/a%00', '/a%0d%0A', '/a%7f', '/a b', '/a\tb', '/a\0', '/x?a b', '/x?a\r', '/x?\x7f'],
    ...['/\u0161', '/x?\u0161'],
  ]) {
    assert.equal(normal(raw), null, JSON.stringify(raw));
  }
});

test('any spelling that a router could resolve to a well-known path is that path', () => {
  for (const path of [PATH.interactions, PATH.discordEvents, PATH.stripe, PATH.health]) {
    const [, first, ...rest] = path.split('/') as [string, string, ...string[]];
    for (const disguise of [
      `${path}/`,
      `/${path}`,
      `${path};x`,
      `${path}%3Bx`,
      `${path}%23x`,
      `${path}%3fx/`,
      `${path};x=1/`,
      path.toUpperCase(),
      `/%${first.charCodeAt(0).toString(16)}${first.slice(1)}/${rest.join('/')}`,
      `/${[first, ...rest].map((segment) => `${segment};a`).join('//')}`,
      `/;x/${path}`,
    ]) {
      assert.equal(normal(`${disguise}?q=1`), `${path}?q=1`, disguise);
    }
    assert.notEqual(normal(`${path}/more`), path);
    assert.notEqual(normal(`${path}x`), path);
  }
  for (const disguise of [
    '/_GUILDWAY/state',
    '/_guildway/',
    '//_guildway/state',
    '/_guildway;x/state',
    '/%5fguildway/',
  ]) {
    assert.ok(normal(disguise)?.startsWith(INTERNAL_PATHS), disguise);
  }
});

const character = fc.oneof(
  fc.constantFrom(...'/%.;?#\\2eEfF5cC31 wW'),
  fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
);
const piece = fc.oneof(
  fc.constantFrom('/webhooks/stripe', '/webhooks/', '/_guildway/state', '/app/197038439483310086', '/..', '%2e', '//'),
  fc.string({ unit: character, maxLength: 6 }),
);
const anyTarget = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => `/${pieces.join('')}`);

test('a normal form is stable, and equals the result of a URL parser', () => {
  fc.assert(
    fc.property(anyTarget, (raw) => {
      const target = normal(raw);
      if (target === null) return;
      assert.equal(normal(target), target);
      assert.equal(new URL(`http://host${target}`).href, `http://host${target}`);
    }),
    { numRuns: 5_000 },
  );
});

test('a router that ignores case, slashes and parameters finds a webhook only by its path', () => {
  const careless = (path: string): string =>
    `/${decodeURIComponent(path)
      .toLowerCase()
      .split('/')
      .map((segment) => segment.split(';')[0])
      .filter((segment) => segment !== '')
      .join('/')}`;
  fc.assert(
    fc.property(anyTarget, (raw) => {
      const target = normal(raw);
      if (target === null) return;
      const path = pathOf(target);
      let read: string;
      try {
        read = careless(path);
      } catch {
        return;
      }
      if (isWebhook(read)) assert.equal(path, read);
    }),
    { numRuns: 5_000 },
  );
});
