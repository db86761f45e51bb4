/** The inputs of the build come from their declared sources. The locks have their own test. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse } from 'yaml';

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const matches = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, value = '']) => value);

test('the image has locked packages, runs no install scripts, does not run as root, and has a bill of materials', () => {
  const dockerfile = read('Dockerfile');
  const installs = matches(dockerfile, /^RUN npm (.*)$/gm);
  assert.ok(installs.length > 0);
  for (const install of installs) assert.match(install, /^ci .*--ignore-scripts/);
  assert.match(matches(dockerfile, /^USER (.*)$/gm).at(-1) ?? '', /^[1-9]\d*:[1-9]\d*$/);
  assert.match(dockerfile, /^COPY --from=javascript .*\/sbom\.cdx\.json/m);
});

test('CI actions are pinned to a commit, with read-only permissions', () => {
  const text = read('.github/workflows/ci.yml');
  const actions = matches(text, /uses: *(\S+)/g);
  assert.ok(actions.length > 0);
  for (const action of actions) assert.match(action, /@[0-9a-f]{40}$/);
  assert.deepEqual(parse(text).permissions, { contents: 'read' });
});

test('the dependency bot updates packages, images and actions, and proposes security fixes at any time', () => {
  const { enabledManagers, vulnerabilityAlerts } = JSON.parse(read('renovate.json'));
  assert.deepEqual(enabledManagers.toSorted(), ['docker-compose', 'dockerfile', 'github-actions', 'kustomize', 'npm']);
  assert.deepEqual(vulnerabilityAlerts, { schedule: ['at any time'] });
});

test('compose.yaml: every container is restricted, and publishes its ports on this machine only', () => {
  const { services } = parse(read('compose.yaml'), { merge: true });
  for (const [name, service] of Object.entries<Record<string, unknown>>(services)) {
    assert.equal(service.read_only, true, name);
    assert.deepEqual(service.cap_drop, ['ALL'], name);
    assert.deepEqual(service.security_opt, ['no-new-privileges:true'], name);
    for (const port of (service.ports ?? []) as string[]) assert.match(port, /^127\.0\.0\.1:/, name);
  }
});
