/**
 * Makes `dist/`, or the folder that it is given, the package as it is published: `npm run build && npm publish ./dist`.
 *
 * In the repository Node runs the TypeScript as it is. It refuses to do so for what lies in node_modules, so the published
 * package has JavaScript, declarations and source maps instead, under the same names.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const dist = resolve(process.argv[2] ?? join(root, 'dist'));

rmSync(dist, { recursive: true, force: true });
const { status } = spawnSync('npx', ['tsc', '-p', 'tsconfig.build.json', '--outDir', dist], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

const {
  private: _,
  scripts: __,
  devDependencies,
  allowScripts: ___,
  exports,
  dependencies,
  ...rest
} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const compiled = (source: string): { types: string; default: string } => ({
  types: source.replace(/\.ts$/, '.d.ts'),
  default: source.replace(/\.ts$/, '.js'),
});
const published = {
  ...rest,
  exports: Object.fromEntries(
    Object.entries(exports as Record<string, string>).map(([name, file]) => [name, compiled(file)]),
  ),
  bin: { guildway: 'src/main.js', 'guildway-cluster': 'testkit/cluster/cli.js' },
  dependencies,
};
writeFileSync(join(dist, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) copyFileSync(join(root, file), join(dist, file));
cpSync(join(root, 'testkit/discord/console'), join(dist, 'testkit/discord/console'), { recursive: true });
