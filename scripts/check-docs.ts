/**
 * Keeps documentation and code in agreement. `npm run check` runs it; with `--write` it writes what can be generated.
 *
 * - docs/configuration.md has the table of environment variables from src/config/variables.ts
 * - relative links in Markdown files lead to files that exist
 * - `npm run …` commands in Markdown files exist in package.json, or in the one of a new bot
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VARIABLES, type Variable } from '../src/config/variables.ts';

const root = fileURLToPath(new URL('../', import.meta.url));
const write = process.argv.includes('--write');
const problems: string[] = [];
/** Scripts that src/init/project.ts gives to a new bot, beyond those of this package. */
const IN_NEW_PROJECTS: ReadonlySet<string> = new Set(['dev']);

const BEGIN = '<!-- generated from src/config/variables.ts by scripts/check-docs.ts --write -->';
const END = '<!-- end of the generated part -->';

function configurationTable(): string {
  const table: readonly Variable<unknown>[] = Object.values(VARIABLES);
  const rows = table.map(({ name, fallback, allowed, modes, about }) => {
    const who = modes.length === 3 ? 'all' : modes.includes('http') ? 'HTTP' : 'gateway';
    return `| \`${name}\` | ${fallback === null ? '' : `\`${fallback}\``} | ${who} | ${allowed} | ${about} |`;
  });
  return ['| variable | default | read by | allowed | what it is |', '| --- | --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
}

function checkConfiguration(): void {
  const file = join(root, 'docs/configuration.md');
  const text = readFileSync(file, 'utf8');
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) {
    problems.push(`docs/configuration.md: lacks the lines ${BEGIN} and ${END}`);
    return;
  }
  const expected = `${before}${BEGIN}\n\n${configurationTable()}\n\n${END}${after}`;
  if (text === expected) return;
  if (write) writeFileSync(file, expected);
  else
    problems.push(
      'docs/configuration.md: differs from src/config/variables.ts; run: node scripts/check-docs.ts --write',
    );
}

function checkMarkdown(): void {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  for (const file of globSync('**/*.md', {
    cwd: root,
    exclude: (name) => /node_modules|\.guildway|^dist\b|^templates\b/.test(String(name)),
  })) {
    const text = readFileSync(join(root, file), 'utf8');
    for (const [, target] of text.matchAll(/\]\(([^)\s#]+)(?:#[^)]*)?\)/g) as Iterable<[string, string]>) {
      if (/^[a-z]+:/.test(target)) continue;
      if (!existsSync(join(root, dirname(file), target)))
        problems.push(`${file}: links to ${target}, which does not exist`);
    }
    for (const [, script] of text.matchAll(/npm run ([a-z][a-z:-]*)/g) as Iterable<[string, string]>) {
      if (!Object.hasOwn(scripts, script) && !IN_NEW_PROJECTS.has(script))
        problems.push(`${file}: says "npm run ${script}", which package.json does not have`);
    }
  }
}

checkConfiguration();
checkMarkdown();
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
