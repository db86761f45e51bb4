/**
 * Builds the published package into `dist/` or the given folder: `npm run build && npm publish ./dist`.
 *
 * In the repository, Node runs the TypeScript sources. It refuses to do so in node_modules, so the published package has
 * JavaScript, declarations and source maps under the same names, and `sbom.cdx.json`, the bill of materials.
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
  bin: { guildway: 'src/cli/index.js', 'guildway-cluster': 'testkit/cluster/cli.js' },
  dependencies,
};
writeFileSync(join(dist, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md']) copyFileSync(join(root, file), join(dist, file));
writeFileSync(join(dist, 'sbom.cdx.json'), bom());
for (const folder of [
  ...['testkit/discord/console', 'src/gateway/beside/preload'],
  // `guildway init` copies the templates, and their overlay refers to the manifests.
  ...['templates', 'cluster/base', 'cluster/components'],
]) {
  cpSync(join(root, folder), join(dist, folder), { recursive: true });
}

/** The runtime dependencies with the versions and digests of the lock, in CycloneDX. */
function bom(): string {
  const format = ['--sbom-format', 'cyclonedx', '--sbom-type', 'application'];
  const { status, stdout } = spawnSync('npm', ['sbom', ...format, '--omit', 'dev', '--package-lock-only'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  if (status !== 0) process.exit(status ?? 1);
  const { metadata, ...others } = JSON.parse(stdout);
  // npm uses the folder's name. Replace it with the package's name.
  return `${JSON.stringify({ ...others, metadata: { ...metadata, component: { ...metadata.component, name: rest.name } } }, null, 2)}\n`;
}
