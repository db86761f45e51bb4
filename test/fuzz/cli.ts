/** `npm run fuzz`: runs inputs of clients, bots and upstreams until the time is over or a guarantee is violated. */
import { parseArgs } from 'node:util';
import { TARGETS } from './targets.ts';

const USAGE = `usage: npm run fuzz -- [${Object.keys(TARGETS).join('|')}] [--seconds 60] [--seed N] [--path P]

  Without a name every target runs, for --seconds each. A failure prints the seed and the path that repeat it.
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
      path: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const names = positionals.length === 0 ? Object.keys(TARGETS) : positionals;
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  const known = names.every((name) => Object.hasOwn(TARGETS, name));
  if (values.help || !known || !(seconds > 0) || !Number.isSafeInteger(seed)) {
    process.stderr.write(USAGE);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  for (const name of names) {
    process.stdout.write(`${name}: seed ${seed}, ${seconds} s\n`);
    await using target = await (TARGETS[name] as (typeof TARGETS)[string])();
    const { path } = values;
    const report = await target.run({ seed, seconds, runs: 1e9, ...(path === undefined ? {} : { path }) });
    process.stdout.write(`${name}: ${report.inputs} inputs ${JSON.stringify(report.seen)}\n`);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
});
