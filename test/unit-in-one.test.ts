/**
 * All unit tests in one process: a process for each of their files took twice the CPU. A file alone runs as any other:
 * `npx node --test test/unit/routing.test.ts`.
 */
import { globSync } from 'node:fs';

const folder = new URL('unit/', import.meta.url);
for (const file of globSync('**/*.test.ts', { cwd: folder }).sort()) await import(new URL(file, folder).href);
