/** `npm run bench`: compares Guildway's HTTP pod with its peers. README.md describes the measurements. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { barChart } from './harness/chart.ts';
import { describeMachine, machineSentence } from './harness/machine.ts';
import { measureFlags, measureOptions, positiveNumber, say } from './harness/options.ts';
import { markdown, verdict } from './harness/report.ts';
import { type RoundOptions, runWorkload, Stage } from './harness/rounds.ts';
import { summarize, type Table } from './harness/summary.ts';
import { hasPackages, installPeers } from './setup.ts';
import { runCommands } from './workloads/commands.ts';
import { runGatewayEvents } from './workloads/gateway-events.ts';
import { runIdleMemory } from './workloads/idle-memory.ts';
import { type Finding, findingsTable, runMoves } from './workloads/moves.ts';
import { runOwnerOfGuild } from './workloads/owner-of-guild.ts';
import { REQUEST_WORKLOADS } from './workloads/requests.ts';
import { runVerification } from './workloads/verification.ts';

const HELP = `npm run bench -- [options]
  --workloads a,b,…   workloads from a to g, m, r and v (default: all)
  --peers id,…        only these peers; ids as in bench/peers (default: all)
  --rounds N          rounds; each measures every peer (default: 15)
  --seconds N         the time for each peer in a round (default: 1)
  --routing STRATEGY  md5 or discord-shard, which skips peers that support only md5 (default: md5)
  --connections N     replaces the number of each workload
  --quick             one very short round without pinning: only checks that it works, the figures mean nothing
  --no-install        use installed peers, skip the others
  --output FOLDER     the folder for the table, the JSON file and the chart (default: bench/results)`;

const { values } = parseArgs({
  options: {
    workloads: { type: 'string', default: 'a,b,c,d,e,f,g,m,r,v' },
    peers: { type: 'string' },
    ...measureFlags({ rounds: '15', seconds: '1' }),
    connections: { type: 'string' },
    install: { type: 'boolean', default: true },
  },
  allowNegative: true,
});

async function main(): Promise<void> {
  if (values.help) {
    say(HELP);
    return;
  }
  const measure = measureOptions(values);
  const { rounds, measureMs, cores, routing } = measure;
  const connections = values.connections === undefined ? undefined : positiveNumber('connections', values.connections);
  const chosen = values.workloads.split(',');
  const peers = values.peers?.split(',');
  const options: RoundOptions = {
    ...measure,
    // Long enough to open the connections. The first round's warm-up is longer, for compilers.
    warmupMs: Math.min(300, measureMs / 3),
    pods: 3,
    progress: say,
  };
  if (values.install) installPeers(say);
  const withBots = hasPackages('better-sqlite3', 'express', 'discord-interactions');
  const machine = describeMachine();
  say(`${machineSentence(machine)}\n`);

  const tables: Table[] = [];
  const add = (table: Table): void => {
    tables.push(table);
    say(`\n${markdown(table)}`);
  };
  // Processes from another workload are optimized for that one, so each workload starts new ones, except in a quick run.
  await using shared = values.quick ? new Stage(cores, routing) : null;
  for (const workload of REQUEST_WORKLOADS.filter(({ id }) => chosen.includes(id))) {
    say(`(${workload.id}) ${workload.title}`);
    const ofWorkload = {
      ...workload,
      connections: connections ?? workload.connections,
      peers: workload.peers.filter(({ id }) => peers?.includes(id) ?? true),
    };
    await using own = shared === null ? new Stage(cores, routing) : null;
    add(summarize(await runWorkload(ofWorkload, options, shared ?? (own as Stage))));
  }
  if (chosen.includes('e')) {
    say('(e) owner of a guild');
    add(await runOwnerOfGuild(rounds, values.quick ? 2_000 : 300_000, say));
  }
  if (chosen.includes('f')) {
    say('(f) gateway events');
    add(await runGatewayEvents({ rounds, seconds: measureMs / 1000, cores, routing, peers: withBots, progress: say }));
  }
  if (chosen.includes('g')) {
    say('(g) slash commands');
    for (const table of await runCommands({ rounds, measureMs, cores, routing, peers: withBots, progress: say }))
      add(table);
  }
  if (chosen.includes('m')) {
    say('(m) idle memory');
    const quick = values.quick;
    add(
      await runIdleMemory({
        ...{ cores, peers: withBots, build: !quick, progress: say },
        ...{ rounds: Math.min(rounds, 5), idleMs: quick ? 0 : 10_000 },
      }),
    );
  }
  const findings: Finding[] = [];
  if (chosen.includes('r')) {
    say('(r) the number of gateway pods changes under load');
    findings.push(...(await runMoves({ quick: values.quick, progress: say })));
    say(`\n${findingsTable(findings)}`);
  }
  if (chosen.includes('v')) {
    say('(v) verification alone');
    add(await runVerification(rounds, values.quick ? 20 : 2_000, say));
  }

  const output = values.output;
  mkdirSync(output, { recursive: true });
  const measured = {
    date: new Date().toISOString().slice(0, 10),
    machine,
    routing,
    rounds,
    seconds: measureMs / 1000,
    tables,
    findings,
  };
  writeFileSync(`${output}/bench.json`, `${JSON.stringify(measured, null, 2)}\n`);
  writeFileSync(`${output}/bench.svg`, barChart('Cost of one request, CPU of the process under test', tables));
  writeFileSync(
    `${output}/bench.md`,
    `${machineSentence(machine)}\n\n${[...tables.map(markdown), ...(findings.length === 0 ? [] : [findingsTable(findings)])].join('\n')}`,
  );
  for (const row of tables.flatMap((table) => table.rows)) {
    if (row.target !== null && row.ours !== null)
      say(`${verdict(row).padEnd(16)} ours / ${row.title}: ${row.ours.median.toFixed(2)}`);
  }
  say(`\nWritten: ${output}/bench.md, bench.json, bench.svg`);
}

await main();
