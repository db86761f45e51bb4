#!/usr/bin/env node
/** The command `guildway`. The Node version comes first: an older one fails on the other modules with messages that explain nothing. */
import { unsupportedNode } from './node-version.ts';

const problem = unsupportedNode(process.versions.node);
if (problem === null) {
  const { run } = await import('./program.ts');
  process.exitCode = await run(process.argv.slice(2));
} else {
  process.stderr.write(`guildway: ${problem}\n`);
  process.exitCode = 1;
}
