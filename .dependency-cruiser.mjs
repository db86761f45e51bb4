// Which folder may import which. `npm run check` refuses every other import, type imports included, and every import cycle.
// docs/architecture.md draws its picture of the folders from the same imports.

/** What both services stand on. */
const BELOW_SERVICES = [
  ...['src/errors.ts', 'src/time.ts', 'src/end-socket.ts', 'src/listen.ts', 'src/node-http.ts', 'src/state-machine.ts'],
  ...['src/config', 'src/service.ts'],
  ...['src/protocol', 'src/routing', 'src/observability', 'src/bot', 'src/link'],
];

/**
 * What each part may import besides itself. A file that belongs to no part fails the check: decide where it belongs.
 * A part is a folder or a file; the longest match wins.
 */
export const PARTS = {
  'src/errors.ts': [],
  'src/time.ts': [],
  'src/cross-site.ts': [],
  'src/end-socket.ts': [],
  'src/listen.ts': ['src/errors.ts'],
  'src/bot-load-error.ts': [],
  'src/state-machine.ts': [],
  'src/node-http.ts': [],
  'src/protocol': ['src/time.ts'],
  'src/routing': ['src/errors.ts', 'src/protocol'],
  // How guilds move between pods, as a pure protocol.
  'src/moving': ['src/routing'],
  'src/config': ['src/errors.ts', 'src/routing'],
  // What `guildway/routing` exports: the arithmetic, with the environment as its default.
  'src/public-routing.ts': ['src/errors.ts', 'src/routing', 'src/config'],
  'src/observability': [
    'src/errors.ts',
    'src/time.ts',
    'src/cross-site.ts',
    'src/listen.ts',
    'src/node-http.ts',
    'src/config',
  ],
  'src/service.ts': ['src/observability'],
  'src/bot': ['src/errors.ts', 'src/cross-site.ts', 'src/protocol', 'src/routing'],
  // The moderation bot is the default, loaded when BOT names no other.
  'src/load-bot.ts': ['src/errors.ts', 'src/bot-load-error.ts', 'src/bot', 'bots/modbot/index.ts'],
  'src/link': [
    ...['src/errors.ts', 'src/time.ts', 'src/end-socket.ts', 'src/state-machine.ts'],
    ...['src/protocol', 'src/routing', 'src/bot'],
  ],
  'src/http': [...BELOW_SERVICES],
  'src/http/metrics': ['src/observability'],
  // Bytes to requests, responses to bytes: regardless of who answers.
  'src/http/inbound': [...BELOW_SERVICES],
  'src/http/outbound': [...BELOW_SERVICES, 'src/http/metrics'],
  'src/http/endpoints': [...BELOW_SERVICES, 'src/http/inbound', 'src/http/outbound', 'src/http/metrics'],
  'src/gateway': [...BELOW_SERVICES, 'src/moving', 'src/cross-site.ts'],
  'src/main.ts': ['src'],
  // `guildway init` and `npm create guildway`, which run on Node 20.
  'src/init': ['src/errors.ts'],
  // The command. It starts main.ts, and otherwise talks to running pods or reads database files.
  'src/cli': [
    ...[
      'src/main.ts',
      'src/load-bot.ts',
      'src/init',
      'src/errors.ts',
      'src/time.ts',
      'src/routing',
      'src/observability',
      'src/bot',
    ],
    'src/gateway/store',
  ],
  // A bot uses the package's public names, as its author would.
  bots: ['src/bot/index.ts', 'src/public-routing.ts', 'testkit/index.ts'],
};

/** Built-in modules that pure code may import. */
const PURE = { 'src/protocol': ['crypto'], 'src/routing': ['crypto'], 'src/moving': [], 'src/time.ts': [] };

/** A regular expression that matches these paths and everything below them. */
const under = (paths) => `^(?:${paths.map((path) => path.replaceAll('.', '\\.')).join('|')})(?:/|$)`;
const names = Object.keys(PARTS);
const nameOf = (part) =>
  part
    .replace(/^src\//, '')
    .replace(/\.ts$/, '')
    .replaceAll('/', '-');
/** Parts inside another one, which its own rule does not cover. */
const inside = (part) => names.filter((name) => name.startsWith(`${part}/`));
const from = (part) => ({ path: under([part]), ...(inside(part).length > 0 ? { pathNot: under(inside(part)) } : {}) });

export default {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: { path: '^(?:src|bots)/' }, to: { circular: true } },
    {
      name: 'no-orphan',
      comment: 'A module that nothing imports is dead code.',
      severity: 'error',
      from: { path: '^src/', orphan: true },
      to: {},
    },
    {
      name: 'no-unlisted-part',
      comment: 'Add the folder to PARTS in .dependency-cruiser.mjs.',
      severity: 'error',
      from: { path: '^(?:src|bots)/', pathNot: under(names) },
      to: {},
    },
    ...Object.entries(PARTS).map(([part, allowed]) => ({
      name: `imports-of-${nameOf(part)}`,
      severity: 'error',
      from: from(part),
      to: { path: '^(?:src|bots|testkit|test|scripts|bench)/', pathNot: under([part, ...allowed]) },
    })),
    ...Object.entries(PURE).map(([part, builtins]) => ({
      name: `${nameOf(part)}-is-pure`,
      comment: 'Pure code has no input or output, so that it can be tested and read alone.',
      severity: 'error',
      from: { path: under([part]) },
      to: { dependencyTypes: ['core'], pathNot: `^(?:node:)?(?:${builtins.join('|')})$` },
    })),
  ],
  options: {
    parser: 'swc',
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: '^node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs'],
      conditionNames: ['node', 'import'],
      exportsFields: ['exports'],
    },
  },
};
