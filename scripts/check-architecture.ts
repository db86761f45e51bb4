/**
 * Keeps docs/architecture.md true. `npm run check` runs it; with `--write` it writes the picture.
 *
 * - The picture of the parts is made from the imports that dependency-cruiser finds.
 * - Each step of the sequence of one interaction names a function and its file; the function must be defined there.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cruise } from 'dependency-cruiser';
import rules, { PARTS } from '../.dependency-cruiser.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const file = `${root}docs/architecture.md`;
const BEGIN = '<!-- picture: made from the imports by scripts/check-architecture.ts --write -->';
const END = '<!-- end of the picture -->';
/** A step of the sequence ends with the place of its function: `Router.route` (gateway/serve/router.ts). */
const STEP = /`([\w.#]+)` \(([\w/.-]+\.ts)\)/g;

const problems: string[] = [];

/** The arrows between parts, without those that a chain of others implies. */
function arrows(imports: ReadonlyMap<string, ReadonlySet<string>>): [string, string][] {
  const below = (part: string, seen = new Set<string>()): Set<string> => {
    for (const next of imports.get(part) ?? []) if (!seen.has(next)) below(next, seen.add(next));
    return seen;
  };
  return [...imports].flatMap(([from, targets]) =>
    [...targets]
      .filter((to) => ![...targets].some((other) => other !== to && below(other).has(to)))
      .map((to): [string, string] => [from, to]),
  );
}

async function importsOfParts(): Promise<Map<string, Set<string>>> {
  const { output } = await cruise(['src'], { ...rules.options, baseDir: root, ruleSet: {} } as never);
  if (typeof output === 'string') throw new Error('dependency-cruiser gave no list of modules');
  const parts = Object.keys(PARTS).toSorted((a, b) => b.length - a.length);
  const partOf = (path: string): string | undefined =>
    parts.find((part) => path === part || path.startsWith(`${part}/`));
  const imports = new Map<string, Set<string>>();
  for (const { source, dependencies } of output.modules) {
    const from = partOf(source);
    if (from === undefined) continue;
    for (const { resolved } of dependencies) {
      const to = partOf(resolved);
      if (to === undefined || to === from) continue;
      imports.set(from, (imports.get(from) ?? new Set()).add(to));
    }
  }
  return imports;
}

async function picture(): Promise<string> {
  const name = (part: string): string => part.replace(/^src\//, '');
  const id = (part: string): string => name(part).replaceAll(/\W/g, '_');
  const lines = arrows(await importsOfParts())
    .map(([from, to]) => `  ${id(from)}["${name(from)}"] --> ${id(to)}["${name(to)}"]`)
    .toSorted();
  return ['```mermaid', 'flowchart TD', ...lines, '```'].join('\n');
}

async function checkPicture(text: string): Promise<void> {
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) {
    problems.push(`docs/architecture.md lacks the lines ${BEGIN} and ${END}`);
    return;
  }
  const expected = `${before}${BEGIN}\n\n${await picture()}\n\n${END}${after}`;
  if (text === expected) return;
  if (process.argv.includes('--write')) writeFileSync(file, expected);
  else problems.push('docs/architecture.md: the picture differs from the imports; run: npm run docs');
}

/** Whether a file defines a function, or a class with this method. */
function defines(source: string, name: string): boolean {
  const [owner, method] = name.includes('.') ? (name.split('.') as [string, string]) : [null, name];
  if (owner !== null && !new RegExp(`\\b(?:class|interface) ${owner}\\b`).test(source)) return false;
  return new RegExp(
    `^\\s*(?:export |async |static |readonly |get |private )*(?:function |const )?${method}\\b`,
    'm',
  ).test(source);
}

function checkSteps(text: string): void {
  let steps = 0;
  for (const [, name, path] of text.matchAll(STEP) as Iterable<[string, string, string]>) {
    steps++;
    const source = `${root}src/${path}`;
    if (!existsSync(source)) problems.push(`docs/architecture.md names src/${path}, which does not exist`);
    else if (!defines(readFileSync(source, 'utf8'), name)) {
      problems.push(`docs/architecture.md names ${name}, which src/${path} does not define`);
    }
  }
  if (steps === 0) problems.push('docs/architecture.md has no sequence of one interaction');
}

const text = readFileSync(file, 'utf8');
await checkPicture(text);
checkSteps(text);
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
