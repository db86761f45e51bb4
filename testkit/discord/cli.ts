/** Starts only the Discord simulator and prints the environment variables that pods need to use it. */
import { parseArgs } from 'node:util';
import { startDiscordSimulator } from './index.ts';
import type { SimulatorOptions } from './options.ts';
import { loadIdentity } from './state.ts';

const HELP = `Runs the Discord simulator: REST API, gateway and a console page.

  node testkit/discord/cli.ts [flags]

Each flag is also an environment variable, such as SIMULATOR_INTERACTIONS_URL for --interactions-url.

  --port <n>                 default 8090; 0 takes any free port
  --host <address>           default 127.0.0.1; 0.0.0.0 in a container
  --console-hosts <names>    host names of the console, separated by commas; localhost and IP addresses always work
  --guilds <n>               default 30
  --seed <n>                 a seed always gives the same guilds and users; default 1
  --interactions-url <url>   the URL for interactions; without it they use the gateway
  --event-webhook-url <url>  the URL for event webhooks
  --state <file>             keeps the application id, token and keys across restarts; created if missing
  --application-id <id>      with --public-key, --private-key (both hex) and --token: replaces the state file
  --public-key <hex>
  --private-key <hex>        the 32-byte seed
  --token <token>
  --max-concurrency <n>      concurrent identifies; default 16
  --identify-window-ms <n>   time between identifies of one bucket; default 5000
  --requests-per-second <n>  Discord's global limit; default 50
  --bot-permissions <n>      the permissions of the bot's role, as in an invite link; 8 is Administrator; default all others
  --probe-every <n>          send a wrong signature after every n interactions; default 100, 0 never
  --quiet                    print nothing
  --help                     print this text
`;

class UsageError extends Error {}

const FLAGS = {
  port: { type: 'string' },
  host: { type: 'string' },
  'console-hosts': { type: 'string' },
  guilds: { type: 'string' },
  seed: { type: 'string' },
  'interactions-url': { type: 'string' },
  'event-webhook-url': { type: 'string' },
  state: { type: 'string' },
  'application-id': { type: 'string' },
  'public-key': { type: 'string' },
  'private-key': { type: 'string' },
  token: { type: 'string' },
  'max-concurrency': { type: 'string' },
  'identify-window-ms': { type: 'string' },
  'requests-per-second': { type: 'string' },
  'bot-permissions': { type: 'string' },
  'probe-every': { type: 'string' },
  quiet: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

type TextFlag = Exclude<keyof typeof FLAGS, 'quiet' | 'help'>;

function readOptions(values: Partial<Record<TextFlag, string>>): SimulatorOptions {
  const text = (name: TextFlag): string | undefined => {
    const value = values[name] ?? process.env[`SIMULATOR_${name.toUpperCase().replaceAll('-', '_')}`];
    return value === '' ? undefined : value;
  };
  const integer = (name: TextFlag, fallback: number): number => {
    const raw = text(name);
    if (raw === undefined) return fallback;
    if (!/^\d{1,9}$/.test(raw))
      throw new UsageError(`--${name} must be an integer of up to nine digits, not ${JSON.stringify(raw)}`);
    return Number(raw);
  };
  const url = (name: TextFlag): string | null => {
    const raw = text(name) ?? null;
    if (raw !== null && !/^https?:$/.test(URL.parse(raw)?.protocol ?? '')) {
      throw new UsageError(`--${name} must be an http:// or https:// URL, not ${JSON.stringify(raw)}`);
    }
    return raw;
  };
  const seed = integer('seed', 1);
  const guilds = integer('guilds', 30);
  return {
    port: integer('port', 8090),
    host: text('host') ?? '127.0.0.1',
    consoleHosts: text('console-hosts')?.toLowerCase().split(',') ?? [],
    interactionsUrl: url('interactions-url'),
    eventWebhookUrl: url('event-webhook-url'),
    maxConcurrency: integer('max-concurrency', 16),
    identifyWindowMs: integer('identify-window-ms', 5000),
    globalRequestsPerSecond: integer('requests-per-second', 50),
    probeEvery: integer('probe-every', 100),
    seed,
    guilds,
    ...botPermissions(text('bot-permissions')),
    ...identity(text, { seed, guilds }),
  };
}

function botPermissions(given: string | undefined): Pick<SimulatorOptions, 'botPermissions'> {
  if (given === undefined) return {};
  if (!/^\d{1,20}$/.test(given))
    throw new UsageError(`--bot-permissions must be an integer of up to twenty digits, not ${JSON.stringify(given)}`);
  return { botPermissions: BigInt(given) };
}

/** Reads the identity from the state file. Flags override the seed and the number of guilds in the file. */
function identity(
  text: (name: TextFlag) => string | undefined,
  world: { seed: number; guilds: number },
): Pick<SimulatorOptions, 'applicationId' | 'token' | 'keyPair' | 'seed' | 'guilds'> {
  const path = text('state');
  if (path !== undefined) {
    const saved = loadIdentity(path, world);
    return {
      ...saved,
      seed: text('seed') === undefined ? saved.seed : world.seed,
      guilds: text('guilds') === undefined ? saved.guilds : world.guilds,
    };
  }
  const [applicationId, token] = [text('application-id'), text('token')];
  const [publicKey, privateKey] = [text('public-key'), text('private-key')];
  if ((publicKey === undefined) !== (privateKey === undefined)) {
    throw new UsageError('--public-key and --private-key: give both or neither');
  }
  return {
    ...(applicationId === undefined ? {} : { applicationId }),
    ...(token === undefined ? {} : { token }),
    ...(publicKey === undefined || privateKey === undefined ? {} : { keyPair: { publicKey, privateKey } }),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: FLAGS, strict: true });
  if (values.help === true) {
    process.stdout.write(HELP);
    return;
  }
  const options = readOptions(values);
  const simulator = await startDiscordSimulator(options);
  simulator.watch((event) => {
    if (event.type === 'unknown_route')
      process.stderr.write(`simulator: returned 404 for a route that is not simulated: ${event.route}\n`);
  });
  // Before the first output: a parent that waits for the output may end this process as soon as it appears.
  const stop = () => {
    void simulator.stop().then(() => process.exit(0));
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  if (values.quiet !== true) {
    process.stdout.write(
      [
        `# Discord simulator with ${simulator.guilds.size} guilds; its console is at ${simulator.url}`,
        `export DISCORD_API_URL=${simulator.apiUrl}`,
        `export DISCORD_APP_ID=${simulator.applicationId}`,
        `export DISCORD_PUBLIC_KEY=${simulator.publicKey}`,
        `export DISCORD_TOKEN=${simulator.token}`,
        '',
      ].join('\n'),
    );
  }
  // Tells a parent process the port, so that it does not have to parse the output.
  process.send?.({ type: 'listening', url: simulator.url, port: simulator.port });
}

main().catch((error: NodeJS.ErrnoException) => {
  const busy = error.code === 'EADDRINUSE' ? 'the port is in use: choose another with --port' : error.message;
  process.stderr.write(`simulator: ${busy}\n`);
  process.exit(error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS') ? 2 : 1);
});
