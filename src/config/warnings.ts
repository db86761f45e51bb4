import type { Config, Environment } from './load.ts';
import { type ServiceMode, VARIABLES, type Variable } from './variables.ts';

/** A warning about an environment variable that is probably a mistake. */
export interface ConfigWarning {
  readonly variable: string;
  readonly message: string;
}

/** Read outside the table, by gateway/faults.ts. */
const OTHERS: ReadonlySet<string> = new Set(['GUILDWAY_TEST_FAULT']);

const TABLE: readonly Variable<unknown>[] = Object.values(VARIABLES);

/**
 * Finds variables that are missing although a mode needs them, and variables with mistyped names. A bot has variables of its
 * own, so only a name that is close to one of ours is suspect.
 */
export function configWarnings(env: Environment, { serviceMode }: Pick<Config, 'serviceMode'>): ConfigWarning[] {
  const missing = TABLE.filter(
    ({ name, missing }) => missing?.modes.includes(serviceMode as ServiceMode) && env[name] === undefined,
  );
  const warnings = missing.map(({ name, missing }) => ({
    variable: name,
    message: `${name} is not set: ${missing?.means}`,
  }));
  for (const name of Object.keys(env)) {
    if (OTHERS.has(name) || TABLE.some((variable) => variable.name === name)) continue;
    const meant = meantBy(name, missing);
    if (meant !== null) warnings.push({ variable: name, message: `${name} is not read: did you mean ${meant}?` });
    else if (name.startsWith('GUILDWAY_')) warnings.push({ variable: name, message: `${name} is not read` });
  }
  return warnings;
}

/** The variable that a name is probably meant to be, or null. */
function meantBy(name: string, missing: readonly Variable<unknown>[]): string | null {
  const written = name.toUpperCase().replaceAll('-', '_');
  let [closest, distance] = ['', Number.POSITIVE_INFINITY];
  for (const { name: ours } of TABLE) {
    // The length rules out most names. Comparing all of them would add 30 ms to the start of a pod.
    if (Math.abs(written.length - ours.length) > tolerance(ours)) continue;
    const d = editDistance(written, ours);
    if (d <= tolerance(ours) && d < distance) [closest, distance] = [ours, d];
  }
  if (closest !== '') return closest;
  // Another name of a variable that is not set: DISCORD_BOT_TOKEN for DISCORD_TOKEN.
  const words = written.split('_');
  const alike = missing.find(({ name: ours }) => ours.split('_').every((word) => words.includes(word)));
  return alike?.name ?? null;
}

/** Short names are close to many others. */
const tolerance = ({ length }: string): number => (length >= 10 ? 2 : length >= 6 ? 1 : 0);

/**
 * The number of insertions, deletions, replacements and swaps of neighbours that turn one text into the other (optimal string
 * alignment).
 */
export function editDistance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? 0;
  for (let row = 1; row <= from.length; row++) {
    rows.push([row]);
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1] ? 0 : 1;
      let least = Math.min(at(row - 1, column) + 1, at(row, column - 1) + 1, at(row - 1, column - 1) + same);
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]) {
        least = Math.min(least, at(row - 2, column - 2) + 1);
      }
      rows[row]?.push(least);
    }
  }
  return at(from.length, to.length);
}
