/**
 * Checks that the folders import only what the architecture allows: protocol <- routing <- link <- http, gateway <- main.
 * Run by `npm run check`.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

/** What each part may import, beside itself. A part that is not listed here is an error: decide where it belongs. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'src/errors.ts': [],
  'src/time.ts': [],
  'src/cross-site.ts': [],
  'src/config.ts': ['src/errors.ts', 'src/routing'],
  'src/service.ts': ['src/observability'],
  'src/protocol': ['src/time.ts'],
  'src/routing': ['src/errors.ts', 'src/config.ts', 'src/protocol'],
  'src/observability': ['src/config.ts', 'src/cross-site.ts', 'src/errors.ts', 'src/time.ts'],
  // The moderation bot is the default, loaded when BOT names no other.
  'src/bot': ['src/cross-site.ts', 'src/errors.ts', 'src/routing', 'bots/modbot/index.ts'],
  'src/link': ['src/errors.ts', 'src/time.ts', 'src/protocol', 'src/routing', 'src/bot'],
  'src/http': [
    'src/errors.ts',
    'src/time.ts',
    'src/config.ts',
    'src/service.ts',
    'src/protocol',
    'src/routing',
    'src/observability',
    'src/bot',
    'src/link',
  ],
  'src/gateway': [
    'src/cross-site.ts',
    'src/errors.ts',
    'src/time.ts',
    'src/config.ts',
    'src/service.ts',
    'src/protocol',
    'src/routing',
    'src/observability',
    'src/bot',
    'src/link',
  ],
  'src/main.ts': ['src'],
  // A bot uses what its author would: the package's public names.
  bots: [],
};

/** Built-in modules that only pure code may import. */
const PURE: Readonly<Record<string, readonly string[]>> = { 'src/protocol': [], 'src/routing': ['node:crypto'] };

const partOf = (file: string): string | undefined =>
  Object.keys(ALLOWED).find((part) => file === part || file.startsWith(`${part}/`));

const problems: string[] = [];
for (const file of globSync('{src,bots}/**/*.ts', { cwd: root }).toSorted()) {
  const part = partOf(file);
  if (part === undefined) {
    problems.push(`${file}: belongs to no part that scripts/check-boundaries.ts knows`);
    continue;
  }
  const source = readFileSync(join(root, file), 'utf8');
  for (const [, specifier] of source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g) as Iterable<[string, string]>) {
    if (specifier.startsWith('node:')) {
      const allowed = PURE[part];
      if (allowed !== undefined && !allowed.includes(specifier))
        problems.push(`${file}: ${part} is pure and may not import ${specifier}`);
      continue;
    }
    if (!specifier.startsWith('.')) continue;
    const target = relative(root, normalize(join(root, dirname(file), specifier)));
    const allowed = [part, ...(ALLOWED[part] as readonly string[])];
    if (!allowed.some((prefix) => target === prefix || target.startsWith(`${prefix}/`))) {
      problems.push(`${file}: may not import ${target} (allowed: ${allowed.join(', ')})`);
    }
  }
}
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
