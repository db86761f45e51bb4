/** `npm run chaos`: the history check, on a terminal. */
import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { integerOption as integer, routingOption, UsageError } from '../cluster/options.ts';
import { WITHOUT_EVENTS } from './clients.ts';
import { type Measurement, measureOwnerKill, measureRolling } from './measures.ts';
import { progressLine, renderMeasurement, renderReport } from './report.ts';
import { runChaos } from './run.ts';
import { FAULT_KINDS, type FaultKind } from './schedule.ts';
import { ProgressPrinter } from './terminal.ts';

const HELP = `Runs the history check: clients send numbered operations to a local cluster while faults happen. Afterwards the check
compares every pod's database with the responses that the clients received.

  npm run chaos                              10 minutes, all faults
  npm run chaos -- --seconds 60 --seed 7     a shorter run with reproducible faults
  npm run chaos -- --owner-kill              measure: one owner is killed under load
  npm run chaos -- --resize                  also change the number of gateway pods over and over
  npm run chaos -- --rolling                 measure: every pod is restarted under load

Options (after --):
  --seconds <n>        duration of the load                600
  --seed <n>           determines faults and operations    random
  --http-pods <n>      HTTP pods                           3
  --gateway-pods <n>   gateway pods                        3
  --guilds <n>         guilds                              60
  --routing <strategy> md5 or discord-shard                md5
  --rate <n>           operations per second               60 (200 with --owner-kill)
  --faults <kinds>     default: ${FAULT_KINDS.join(',')}
                         kill      SIGKILL, then a restart
                         stop      SIGSTOP, later SIGCONT
                         restart   SIGTERM, then a restart
                         cut       connections to a gateway pod are refused, reset or black-holed
                         session   Discord drops gateway connections
  --every <seconds>    average time between faults         2.5
  --resize             also change the number of gateway pods over and over, from 1 to --most-gateway-pods. Discord's gateway
                       events are left out
  --most-gateway-pods <n>                                  5
  --directory <path>   databases and logs; always kept     a temporary folder, kept only if the check fails
  --owner-kill         SIGKILL one owner and restart it after 10 s, repeatedly for --seconds (60)
  --rolling            restart all pods, one at a time
  --help               show this text

Exit codes: 0 no operation was lost, doubled or misplaced; 1 at least one was; 2 the check could not run.
`;

function faultKinds(list: string): FaultKind[] {
  return list.split(',').map((name) => {
    const kind = FAULT_KINDS.find((known) => known === name.trim());
    if (kind === undefined) throw new UsageError(`--faults ${name}: it must be one of ${FAULT_KINDS.join(', ')}`);
    return kind;
  });
}

/** Rejects a directory with files: rows of an earlier run would count as rows of this run. */
function emptyDirectory(path: string): string {
  if (existsSync(path) && readdirSync(path).length > 0)
    throw new UsageError(`--directory ${path}: the directory must be empty`);
  return resolve(path);
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
      'http-pods': { type: 'string', default: '3' },
      'gateway-pods': { type: 'string', default: '3' },
      guilds: { type: 'string', default: '60' },
      routing: { type: 'string', default: 'md5' },
      rate: { type: 'string' },
      faults: { type: 'string', default: FAULT_KINDS.join(',') },
      every: { type: 'string', default: '2.5' },
      directory: { type: 'string' },
      'owner-kill': { type: 'boolean', default: false },
      rolling: { type: 'boolean', default: false },
      resize: { type: 'boolean', default: false },
      'most-gateway-pods': { type: 'string', default: '5' },
      help: { type: 'boolean', default: false },
    },
  });
  const every = Number(values.every);
  if (!(every >= 0.1 && every <= 600)) throw new UsageError(`--every ${values.every}: it must be 0.1 to 600 (seconds)`);
  if (values['owner-kill'] && values.rolling) throw new UsageError('--owner-kill and --rolling: choose one');
  if (values.resize && (values['owner-kill'] || values.rolling))
    throw new UsageError('--resize: it cannot be combined with --owner-kill or --rolling');
  const most = integer('most-gateway-pods', values['most-gateway-pods'], 2, 16);
  const mode = values['owner-kill'] ? 'owner-kill' : values.rolling ? 'rolling' : 'chaos';
  const seconds = values.seconds ?? { chaos: '600', 'owner-kill': '60', rolling: '40' }[mode];
  return {
    help: values.help,
    mode,
    run: {
      seconds: integer('seconds', seconds, 1, 86_400),
      seed: integer('seed', values.seed, 0, 2 ** 32 - 1),
      httpPods: integer('http-pods', values['http-pods'], 1, 64),
      gatewayPods: integer('gateway-pods', values['gateway-pods'], 1, 64),
      guilds: integer('guilds', values.guilds, 1, 1_000_000),
      rate: integer('rate', values.rate ?? (mode === 'owner-kill' ? '200' : '60'), 1, 100_000),
      routing: routingOption(values.routing),
      kinds: faultKinds(values.faults),
      everyMs: every * 1_000,
      ...(values.resize ? { mix: WITHOUT_EVENTS, resizeUpTo: most } : {}),
      ...(values.directory === undefined ? {} : { directory: emptyDirectory(values.directory) }),
    },
  } as const;
}

async function main(): Promise<boolean> {
  const options = readOptions();
  if (options.help) {
    process.stdout.write(HELP);
    return true;
  }
  const { mode, run } = options;
  const printer = new ProgressPrinter(process.stdout);
  const again = [
    `npm run chaos -- --seed ${run.seed} --seconds ${run.seconds} --rate ${run.rate} --guilds ${run.guilds}`,
    `--http-pods ${run.httpPods} --gateway-pods ${run.gatewayPods} --routing ${run.routing}`,
    mode === 'chaos' ? `--faults ${run.kinds.join(',')} --every ${run.everyMs / 1_000}` : `--${mode}`,
    ...(run.resizeUpTo === undefined ? [] : [`--resize --most-gateway-pods ${run.resizeUpTo}`]),
  ].join(' ');
  printer.say(
    `\n  Seed ${run.seed}, ${run.gatewayPods} gateway pods, ${run.httpPods} HTTP pods, ${run.routing}, ${run.seconds} s\n`,
  );
  const withOutput = {
    ...run,
    onProgress: (progress: Parameters<typeof progressLine>[0]) => printer.show(progressLine(progress)),
    log: (line: string) => printer.say(`  ${line}`),
  };
  if (mode === 'chaos') {
    const report = await runChaos(withOutput);
    printer.say(`\n${renderReport(report, again)}\n`);
    return report.ok;
  }
  const measure: (options: typeof withOutput) => Promise<Measurement> =
    mode === 'rolling' ? measureRolling : measureOwnerKill;
  const measurement = await measure(withOutput);
  printer.say(`\n${renderReport(measurement.report, again)}\n\n${renderMeasurement(measurement)}\n`);
  return measurement.ok;
}

main().then(
  (ok) => process.exit(ok ? 0 : 1),
  (error: NodeJS.ErrnoException) => {
    const usage = error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS');
    process.stderr.write(usage ? `chaos: ${error.message}\nSee: npm run chaos -- --help\n` : `chaos: ${error.stack}\n`);
    process.exit(2);
  },
);
