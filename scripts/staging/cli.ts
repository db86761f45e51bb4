/** `npm run staging`: deploys the system in real containers, injects faults under load, and reports the results. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { routingOption } from '../../testkit/cluster/options.ts';
import { createContainerPlatform } from './containers/cluster.ts';
import { createKubernetesPlatform } from './kubernetes/cluster.ts';
import { stagingRouting } from './manifests.ts';
import { renderReport } from './report.ts';
import { runStaging } from './run.ts';

const HELP = `Runs a staging system under load: 2 HTTP pods, 3 gateway pods, the Discord simulator and a load balancer.

  npm run staging                     in containers of this machine (Podman or Docker)
  npm run staging -- --kubernetes     in the cluster that kubectl reaches (its current context)

Options (after --):
  --interactions <n>       slash commands per second          30
  --pages <n>              guild pages per second             20
  --routing <strategy>     md5 or discord-shard               md5
  --keep                   leave everything running at the end
  --report <file>          default .guildway/staging.md
With --kubernetes:
  --overlay <folder>       an overlay based on the staging overlay, for example with backups   cluster/overlays/staging
  --image <reference>      the image, pullable by the cluster               localhost/guildway:staging
  --testkit-image <ref>    the image of the Dockerfile's target "testkit"   localhost/guildway-testkit:staging
`;

const { values } = parseArgs({
  options: {
    kubernetes: { type: 'boolean', default: false },
    interactions: { type: 'string', default: '30' },
    pages: { type: 'string', default: '20' },
    routing: { type: 'string', default: 'md5' },
    keep: { type: 'boolean', default: false },
    report: { type: 'string', default: fileURLToPath(new URL('../../.guildway/staging.md', import.meta.url)) },
    overlay: { type: 'string', default: fileURLToPath(new URL('../../cluster/overlays/staging', import.meta.url)) },
    image: { type: 'string' },
    'testkit-image': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

const startedAt = performance.now();
const say = (line: string): void => {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0).padStart(4);
  process.stdout.write(`${seconds} s  ${line}\n`);
};

async function main(): Promise<boolean> {
  const routing = stagingRouting(routingOption(values.routing));
  const platform = values.kubernetes
    ? await createKubernetesPlatform(
        { overlay: values.overlay, image: values.image, testkitImage: values['testkit-image'], routing },
        say,
      )
    : await createContainerPlatform(routing, say);
  process.once('SIGINT', async () => {
    await platform[Symbol.asyncDispose]();
    process.exit(130);
  });
  try {
    const result = await runStaging(platform, {
      interactionsPerSecond: Number(values.interactions),
      pagesPerSecond: Number(values.pages),
      say,
    });
    const report = renderReport(result);
    await mkdir(dirname(values.report), { recursive: true });
    await writeFile(values.report, report);
    process.stdout.write(`\n${report}\nWritten to ${join(values.report)}\n`);
    return result.passed;
  } finally {
    if (!values.keep) await platform[Symbol.asyncDispose]();
  }
}

if (values.help) {
  process.stdout.write(HELP);
} else {
  main().then(
    (passed) => process.exit(passed ? 0 : 1),
    (error: Error) => {
      process.stderr.write(`staging: ${error.message}\n`);
      process.exit(1);
    },
  );
}
