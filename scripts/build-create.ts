/**
 * Builds the package `create-guildway` from a built `guildway`: `node scripts/build-create.ts dist dist-create`. It has no
 * dependencies and runs on Node 20, because `npm create guildway` runs on the Node of the machine.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const [dist = join(root, 'dist'), target = join(root, 'dist-create')] = process.argv
  .slice(2)
  .map((path) => resolve(path));

rmSync(target, { recursive: true, force: true });
mkdirSync(join(target, 'src'), { recursive: true });
for (const path of ['src/init', 'src/errors.js', 'templates', 'LICENSE']) {
  cpSync(join(dist, path), join(target, path), { recursive: true, filter: (file) => !/\.d\.ts$|\.map$/.test(file) });
}
for (const file of ['index.js', 'README.md']) cpSync(join(root, 'create-guildway', file), join(target, file));
const { version, license } = JSON.parse(readFileSync(join(dist, 'package.json'), 'utf8'));
const manifest = {
  name: 'create-guildway',
  version,
  description: 'Makes a Discord bot on Guildway: npm create guildway my-bot',
  license,
  type: 'module',
  bin: { 'create-guildway': 'index.js' },
  engines: { node: '>=20' },
};
writeFileSync(join(target, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
