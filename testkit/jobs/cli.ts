/** `npm run jobs`: jobs through kills, restarts and a move, on a terminal. */
import { parseArgs } from 'node:util';
import { integerOption, UsageError } from '../cluster/options.ts';
import { runJobs } from './run.ts';

const HELP = `Schedules jobs at three gateway pods, kills and restarts the pods while the jobs run, and adds a fourth pod halfway. Afterwards
the check compares every pod's database with what was scheduled.

  npm run jobs
  npm run jobs -- --jobs 1000 --seconds 10 --every 1

Options (after --):
  --jobs <n>      jobs                                      10000
  --seconds <n>   the jobs are due within this time         60
  --every <n>     seconds between two kills or restarts     3
  --help          show this text

Exit codes: 0 no job was lost or done twice, and none ran later than 2 s while its owner lived; 1 one was; 2 the check could not run.
`;

const LATEST_MS = 2_000;

async function main(): Promise<boolean> {
  const { values } = parseArgs({
    options: {
      jobs: { type: 'string', default: '10000' },
      seconds: { type: 'string', default: '60' },
      every: { type: 'string', default: '3' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return true;
  }
  const say = (line: string): void => void process.stdout.write(`  ${line}\n`);
  const report = await runJobs({
    jobs: integerOption('jobs', values.jobs, 1, 1_000_000),
    seconds: integerOption('seconds', values.seconds, 1, 86_400),
    everyMs: integerOption('every', values.every, 1, 600) * 1_000,
    onProgress: say,
  });
  const { scheduled, ran, cancelled, lost, doubled, ghosts, latestMs, kills, restarts } = report;
  const some = (ids: readonly string[]): string => (ids.length === 0 ? '' : `: ${ids.slice(0, 10).join(', ')}`);
  say(`${scheduled} scheduled, ${ran} ran, ${cancelled} cancelled, ${kills} kills, ${restarts} restarts`);
  say(`${lost.length} lost${some(lost)}`);
  say(`${doubled.length} doubled${some(doubled)}`);
  say(`${ghosts.length} ran although cancelled or replaced${some(ghosts)}`);
  say(`the latest ran ${Math.round(latestMs)} ms after it was due while its owner lived`);
  return lost.length + doubled.length + ghosts.length === 0 && latestMs <= LATEST_MS;
}

main().then(
  (ok) => process.exit(ok ? 0 : 1),
  (error: NodeJS.ErrnoException) => {
    const usage = error instanceof UsageError || error.code?.startsWith('ERR_PARSE_ARGS');
    process.stderr.write(usage ? `jobs: ${error.message}\nSee: npm run jobs -- --help\n` : `jobs: ${error.stack}\n`);
    process.exit(2);
  },
);
