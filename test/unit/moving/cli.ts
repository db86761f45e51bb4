/** `npm run explore`: the explorer of `npm test`, to any depth and duration. */
import { parseArgs } from 'node:util';
import { explore, walk } from './explore.ts';
import { SCENARIOS } from './scenarios.ts';

const HELP = `Explores the protocol that moves guilds between pods: every order of messages, losses, repetitions and crashes.

  npm run explore                      a minute or two
  npm run explore -- --depth 12 --states 1000000 --walks 100000

Options (after --):
  --depth <n>      length of the sequences that are tried exhaustively   10
  --states <n>     stops after this many distinct states                   100000
  --walks <n>      random walks of 80 events            5000
  --seed <n>       seed of the first walk                               1
  --help
`;

const { values } = parseArgs({
  options: {
    depth: { type: 'string', default: '10' },
    states: { type: 'string', default: '100000' },
    walks: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else process.exitCode = run(Number(values.depth), Number(values.states), Number(values.walks), Number(values.seed));

function run(depth: number, states: number, walks: number, firstSeed: number): 0 | 1 {
  for (const scenario of SCENARIOS) {
    const explored = explore(scenario, { depth, states });
    process.stdout.write(`${scenario.name}: ${explored.states} states, ${explored.steps} transitions\n`);
    let { broken } = explored;
    for (let seed = firstSeed; broken === null && seed < firstSeed + walks; seed++) {
      broken = walk(scenario, seed, 80).broken;
      if (broken !== null) process.stdout.write(`  seed ${seed}\n`);
    }
    if (broken !== null) {
      process.stdout.write(`  BROKEN: ${broken.why}\n    ${broken.events.join('\n    ')}\n`);
      return 1;
    }
    process.stdout.write(`  ${walks} walks complete\n`);
  }
  return 0;
}
