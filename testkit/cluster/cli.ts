#!/usr/bin/env node
/** `npm start`: runs the local cluster. */
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { CLUSTER_FILE, type ClusterFile } from '../../src/cli/pods.ts';
import type { Readiness } from '../../src/observability/admin-server.ts';
import { type Cluster, type DiscordCredentials, type Pod, startCluster } from './index.ts';
import { integerOption, routingOption, UsageError } from './options.ts';

const HELP = `Runs a local cluster: a Discord simulator, HTTP pods behind one port, and gateway pods with one database each.

  npm start                        start the cluster
  npm start -- --fresh             start with empty databases
  npm start -- -- node index.js    run an existing bot of this folder, unchanged, beside each gateway pod

Options (after --):
  --port <port>            HTTP service                     8080
  --console-port <port>    simulator and its console        8090
  --http-pods <n>          HTTP pods                        2
  --gateway-pods <n>       gateway pods                     those of the databases, else 3; another number moves guilds
  --guilds <n>             guilds of the simulator          30
  --routing <strategy>     md5 or discord-shard             that of the databases, else md5
  --shards <n>             Discord's shard count            with discord-shard: twice the gateway pods
  --bot <module>           the bot                          the moderation bot
  --directory <path>       databases, logs and secrets      .guildway
  --fresh                  empty the directory first
  --help                   show this text

With DISCORD_TOKEN, DISCORD_PUBLIC_KEY and DISCORD_APP_ID set, the cluster uses the real Discord instead of the simulator.
`;

/** The cluster can grow up to this number while it runs. */
const MOST_GATEWAY_PODS = 16;

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      port: { type: 'string', default: '8080' },
      'console-port': { type: 'string', default: '8090' },
      'http-pods': { type: 'string', default: '2' },
      'gateway-pods': { type: 'string' },
      guilds: { type: 'string', default: '30' },
      routing: { type: 'string' },
      shards: { type: 'string' },
      bot: { type: 'string' },
      directory: { type: 'string', default: '.guildway' },
      fresh: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const given = values['gateway-pods'];
  const gatewayPods = given === undefined ? undefined : integerOption('gateway-pods', given, 1, 64);
  return {
    help: values.help,
    fresh: values.fresh,
    cluster: {
      port: integerOption('port', values.port, 0, 65_535),
      consolePort: integerOption('console-port', values['console-port'], 0, 65_535),
      httpPods: integerOption('http-pods', values['http-pods'], 1, 64),
      ...(gatewayPods === undefined ? {} : { gatewayPods }),
      mostGatewayPods: MOST_GATEWAY_PODS,
      guilds: integerOption('guilds', values.guilds, 1, 1_000_000),
      ...(values.routing === undefined ? {} : { routing: routingOption(values.routing) }),
      directory: resolve(values.directory),
      ...(values.shards === undefined
        ? {}
        : { discordShards: integerOption('shards', values.shards, gatewayPods ?? 1, 1_000) }),
      ...(values.bot === undefined ? {} : { bot: resolve(values.bot) }),
      ...(positionals.length === 0 ? {} : { existingBot: { folder: process.cwd(), command: positionals } }),
    },
  } as const;
}

/** The credentials of a real Discord application, if the environment has them. */
function realDiscord(): DiscordCredentials | undefined {
  const names = ['DISCORD_TOKEN', 'DISCORD_PUBLIC_KEY', 'DISCORD_APP_ID'] as const;
  const given = names.filter((name) => process.env[name]);
  if (given.length === 0) return undefined;
  if (given.length < names.length) {
    const missing = names.filter((name) => !given.includes(name));
    throw new UsageError(
      `${given.join(' and ')} set, but not ${missing.join(' and ')}: set all three to use the real Discord, or none`,
    );
  }
  const [token, publicKey, applicationId] = names.map((name) => process.env[name] as string) as [
    string,
    string,
    string,
  ];
  return { token, publicKey, applicationId };
}

const bold = (text: string): string => styleText('bold', text, { stream: process.stdout });
const dim = (text: string): string => styleText('dim', text, { stream: process.stdout });
const say = (line = ''): void => void process.stdout.write(`${line}\n`);

function describe(cluster: Cluster): void {
  say();
  say(
    `  ${bold('HTTP service')}   http://localhost:${new URL(cluster.url).port}    ${cluster.httpPods.length} pods share this port`,
  );
  if (cluster.simulator === null) {
    say(
      `  ${bold('Discord')}        the real Discord: set the Interactions Endpoint URL to a tunnel to /webhooks/discord`,
    );
  } else {
    const { port } = new URL(cluster.simulator.url);
    say(`  ${bold('Console')}        http://localhost:${port}    your own Discord: pick a guild and type /warn`);
  }
  say();
  for (const pod of [...cluster.httpPods, ...cluster.gatewayPods]) {
    const data = pod.ordinal === null ? '' : `   ${cluster.databasePath(pod.ordinal)}`;
    say(`  ${pod.name.padEnd(12)} pid ${String(pod.pid).padEnd(8)} ${pod.url}   admin ${pod.adminUrl}${dim(data)}`);
  }
  say();
  say(dim(`  Logs: ${join(cluster.directory, 'logs')}   Kill a pod (kill -9 <pid>) and watch it restart.`));
  say(dim('  Ctrl-C stops everything and keeps the databases. --help shows the options.'));
  say();
}

/** Restarts a pod when its process ends by itself, as Kubernetes would. */
async function keepRunning(pod: Pod, stopping: () => boolean): Promise<void> {
  for (let waitMs = 1_000; ; ) {
    const startedAt = performance.now();
    const { code, signal } = await pod.exited;
    if (stopping()) return;
    // The cluster restarts it, with another number of gateway pods.
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (pod.running) continue;
    waitMs = performance.now() - startedAt > 60_000 ? 1_000 : Math.min(30_000, waitMs * 2);
    say(`  ${pod.name} ended (${signal ?? `code ${code}`}); restarting it in ${waitMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (stopping()) return;
    if (pod.running) continue;
    pod.spawn();
    pod.ready().then(
      () => say(`  ${pod.name} is back, pid ${pod.pid}`),
      (error: Error) => say(`  ${error.message}`),
    );
  }
}

/** Prints the warnings of a pod that is ready, such as commands that Discord refuses. */
async function sayWarnings(pod: Pod, stopping: () => boolean): Promise<void> {
  for (let said = ''; !stopping(); await new Promise((resolve) => setTimeout(resolve, 1_000))) {
    try {
      const { ready, reasons } = await pod.admin<Readiness>('/readyz');
      const warnings = ready ? reasons.join('; ') : '';
      if (warnings !== '' && warnings !== said) say(`  ${pod.name}: ${warnings}`);
      if (ready) said = warnings;
    } catch {
      // The pod restarts; keepRunning reports it.
    }
  }
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options.help) {
    say(HELP.trimEnd());
    return;
  }
  const discord = realDiscord();
  if (options.fresh) await rm(options.cluster.directory, { recursive: true, force: true });
  const startedAt = performance.now();
  say('  Starting the pods …');
  let stopping = false;
  const cluster: Cluster = await startCluster({
    ...options.cluster,
    ...(discord === undefined ? {} : { discord }),
    onGatewayPod(pod) {
      say(`  ${pod.name} is added`);
      // It has no process yet.
      setImmediate(() => watch(pod));
    },
  });
  const watch = (pod: Pod): void => {
    const isOver = (): boolean => stopping || ![...cluster.httpPods, ...cluster.gatewayPods].includes(pod);
    void keepRunning(pod, isOver);
    if (pod.ordinal !== null) void sayWarnings(pod, isOver);
  };
  say(`  Ready after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s.`);
  const clusterFile = join(cluster.directory, CLUSTER_FILE);
  const { bot } = options.cluster;
  const file: ClusterFile = {
    adminUrl: cluster.httpPods[0]?.adminUrl ?? '',
    ...(cluster.simulator === null ? {} : { consoleUrl: cluster.simulator.url }),
    ...(bot === undefined ? {} : { bot }),
  };
  await writeFile(clusterFile, JSON.stringify(file));
  describe(cluster);

  cluster.simulator?.watch((event) => {
    if (event.type === 'unknown_route')
      say(`  The simulator does not have this route of Discord and returned 404: ${event.route}`);
  });

  for (const pod of [...cluster.httpPods, ...cluster.gatewayPods]) watch(pod);
  const stop = async (): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    say('\n  Stopping …');
    await rm(clusterFile, { force: true });
    await cluster.stop();
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop());
}

main().catch((error: NodeJS.ErrnoException & { port?: number }) => {
  if (error.code === 'EADDRINUSE') {
    process.stderr.write(
      `guildway: port ${error.port} is in use. Stop the process that uses it, or choose other ports: npm start -- --port 8081 --console-port 8091\n`,
    );
  } else if (error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS')) {
    process.stderr.write(`guildway: ${error.message}\nSee: npm start -- --help\n`);
  } else {
    process.stderr.write(`guildway: ${error.message}\n`);
  }
  process.exit(1);
});
