/**
 * Checks that each lock is complete. Every package has a digest and no `resolved` URL, so it comes from the configured registry. npm
 * omits the digest if it creates the lock from an installed tree, and installs such a package unchecked.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../', import.meta.url);
const LOCKS = ['package-lock.json', 'bench/package-lock.json'];

interface LockedPackage {
  readonly resolved?: string;
  readonly integrity?: string;
}

/** The problems of a lock, one line per package. @param text the content of a package-lock.json of version 3 */
export function problemsOfLock(text: string): string[] {
  const { packages } = JSON.parse(text) as { packages: Record<string, LockedPackage> };
  return Object.entries(packages).flatMap(([path, { resolved, integrity }]) => {
    // The project itself.
    if (path === '') return [];
    const problems: string[] = [];
    if (!/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''))
      problems.push(`${path}: integrity is not a SHA-512 digest`);
    if (resolved !== undefined) problems.push(`${path}: resolved is ${resolved}; packages come from the registry`);
    return problems;
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = LOCKS.flatMap((lock) =>
    problemsOfLock(readFileSync(new URL(lock, ROOT), 'utf8')).map((problem) => `${lock}: ${problem}`),
  );
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) {
    process.stderr.write('Remove the lock and node_modules beside it, and run: npm install --package-lock-only\n');
    process.exit(1);
  }
}
