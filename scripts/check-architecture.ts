/**
 * Checks the imports and keeps docs/architecture.md correct. `npm run check` runs it; with `--write` it writes the picture.
 *
 * - Imports obey the rules in .dependency-cruiser.mjs.
 * - The picture of the parts is made from the imports that dependency-cruiser finds.
 * - Each step of the sequence of one interaction names a function and its file; the function must be defined there.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import rules, { PARTS } from '../.dependency-cruiser.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const file = `${root}docs/architecture.md`;
const BEGIN = '<!-- picture: made from the imports by scripts/check-architecture.ts --write -->';
const END = '<!-- end of the picture -->';
/** A step of the sequence ends with its function and file: `Router.route` (gateway/serve/router.ts). */
const STEP = /`([\w.#]+)`\s\(([\w/.-]+\.ts)\)/g;

const problems: string[] = [];

/** The arrows between parts, without those that other arrows imply. */
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

async function readImports(): Promise<ICruiseResult> {
  const { forbidden = [], options } = rules;
  const { output } = await cruise(['src', 'bots'], {
    ...options,
    baseDir: root,
    validate: true,
    ruleSet: { forbidden },
  });
  if (typeof output === 'string') throw new Error('dependency-cruiser returned no list of modules');
  return output;
}

function checkImports({ summary }: ICruiseResult): void {
  for (const { rule, from, to, cycle } of summary.violations) {
    const path = cycle === undefined ? to : cycle.map(({ name }) => name).join(' -> ');
    problems.push(`${from} may not import ${path} (${rule.name} in .dependency-cruiser.mjs)`);
  }
}

function importsOfParts(output: ICruiseResult): Map<string, Set<string>> {
  const parts = Object.keys(PARTS).toSorted((a, b) => b.length - a.length);
  const partOf = (path: string): string | undefined =>
    parts.find((part) => path === part || path.startsWith(`${part}/`));
  const imports = new Map<string, Set<string>>();
  for (const { source, dependencies } of output.modules) {
    const from = partOf(source);
    if (from === undefined || from === 'bots') continue;
    for (const { resolved } of dependencies) {
      const to = partOf(resolved);
      if (to === undefined || to === from) continue;
      imports.set(from, (imports.get(from) ?? new Set()).add(to));
    }
  }
  return imports;
}

function picture(output: ICruiseResult): string {
  const name = (part: string): string => part.replace(/^src\//, '');
  const id = (part: string): string => name(part).replaceAll(/\W/g, '_');
  const lines = arrows(importsOfParts(output))
    .map(([from, to]) => `  ${id(from)}["${name(from)}"] --> ${id(to)}["${name(to)}"]`)
    .toSorted();
  return ['```mermaid', 'flowchart TD', ...lines, '```'].join('\n');
}

function checkPicture(text: string, output: ICruiseResult): void {
  const [before, rest] = text.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) {
    problems.push(`docs/architecture.md lacks the lines ${BEGIN} and ${END}`);
    return;
  }
  const expected = `${before}${BEGIN}\n\n${picture(output)}\n\n${END}${after}`;
  if (text === expected) return;
  if (process.argv.includes('--write')) writeFileSync(file, expected);
  else
    problems.push(
      'docs/architecture.md: the picture differs from the imports; run: node scripts/check-architecture.ts --write',
    );
}

/** Whether a file defines a function, a class, or a class with this method. */
function defines(source: string, name: string): boolean {
  const [owner, member] = name.split('.') as [string, string | undefined];
  if (member === undefined)
    return new RegExp(`^export (?:abstract )?(?:class|function|const) ${owner}\\b`, 'm').test(source);
  const method = new RegExp(`^  (?:async |static |readonly |get )*${member}\\b`, 'm');
  return new RegExp(`\\b(?:class|interface) ${owner}\\b`).test(source) && method.test(source);
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
  if (steps < 10) problems.push('docs/architecture.md lacks the sequence of one interaction');
}

const text = readFileSync(file, 'utf8');
const output = await readImports();
checkImports(output);
checkPicture(text, output);
checkSteps(text);
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
