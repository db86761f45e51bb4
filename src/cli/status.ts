import { setTimeout as delay } from 'node:timers/promises';
import { Command } from 'commander';
import { asVariables } from '../routing/topology.ts';
import type { ExitCode } from './exit-code.ts';
import { fetchPods, findAdminUrl, type PodState, type Pods } from './pods.ts';
import { ProgressBar, progressOf, troublesOf } from './progress.ts';
import { megabytes, style } from './style.ts';

/** Between two looks of `--watch`. */
const WATCH_MS = 1_000;

interface Options {
  readonly admin?: string;
  readonly directory: string;
  readonly watch: boolean;
  readonly json: boolean;
}

/** `guildway status`. Exits with 1 when a pod is missing or not ready. */
export function statusCommand(exitWith: (code: ExitCode) => void): Command {
  return new Command('status')
    .description('show the gateway pods: readiness, topology, guilds, sessions, stored requests')
    .option('--admin <url>', 'admin port of an HTTP pod or a monolith (default: the local cluster, else ADMIN_PORT)')
    .option('--directory <path>', 'directory of the local cluster', '.guildway')
    .option('-w, --watch', 'refresh every second until Ctrl-C', false)
    .option('--json', 'print JSON, one document per refresh', false)
    .action(async (options: Options) => {
      const url = await findAdminUrl(options.admin, options.directory);
      const bar = new ProgressBar();
      for (;;) {
        const pods = await fetchPods(url);
        const text = options.json ? JSON.stringify(pods) : renderStatus(pods, bar);
        // On a terminal each look replaces the one before.
        if (options.watch && !options.json && process.stdout.isTTY) process.stdout.write('\x1b[H\x1b[2J');
        process.stdout.write(`${text}\n`);
        exitWith(allReady(pods) ? 0 : 1);
        if (!options.watch) return;
        await delay(WATCH_MS);
      }
    });
}

const allReady = ({ answers, missing }: Pods): boolean =>
  missing.length === 0 && Object.values(answers).every(({ ready }) => ready);

/** A table with a line for each pod, and how far a move is; below it the reasons of pods that are not ready, and of guilds that do not move. */
export function renderStatus(pods: Pods, bar: ProgressBar): string {
  const { answers, missing } = pods;
  const states = Object.values(answers).toSorted((a, b) => a.pod - b.pod);
  const rows = [
    ...states.map((state) => ({ pod: state.pod, cells: cellsOf(state), reasons: state.reasons })),
    ...missing.map(({ pod, reason }) => ({
      pod,
      cells: [`gateway-${pod}`, 'no answer', ...UNKNOWN],
      reasons: [reason],
    })),
  ].toSorted((a, b) => a.pod - b.pod);
  const table = [HEADINGS, ...rows.map(({ cells }) => cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...table.map((cells) => (cells[column] as string).length)));
  const lines = table.map((cells, row) => {
    const padded = cells.map((cell, column) => cell.padEnd(widths[column] as number));
    return row === 0
      ? style('dim', padded.join('  '))
      : [padded[0], colored(padded[1] as string), ...padded.slice(2)].join('  ');
  });
  const topologies = [...new Set(states.map(({ topology }) => asVariables(topology)))];
  const reasons = rows.flatMap(({ pod, reasons }) => reasons.map((reason) => `  gateway-${pod}: ${reason}`));
  const troubles = states.flatMap(({ name, moving }) => troublesOf(name, moving).map((trouble) => `  ${trouble}`));
  const progress = progressOf(pods);
  return [
    `${style('bold', 'Topology')}  ${topologies.join(' and ') || 'unknown'}`,
    ...(progress === null ? [] : bar.render(progress)),
    '',
    ...lines.map((line) => line.trimEnd()),
    ...(reasons.length + troubles.length === 0 ? [] : ['', ...new Set([...reasons, ...troubles])]),
  ].join('\n');
}

const HEADINGS = ['POD', 'STATE', 'GUILDS', 'SESSIONS', 'STORED REQUESTS', 'SET ASIDE', 'DATABASE'];
const UNKNOWN = ['-', '-', '-', '-', '-'];

function cellsOf({ name, ready, discord, hints, database }: PodState): string[] {
  const shards = discord?.shards ?? [];
  const sessions = `${shards.filter(({ state }) => state === 'ready').length}/${shards.length}`;
  return [
    name,
    ready ? 'ready' : 'not ready',
    String(discord?.guilds ?? '-'),
    discord === undefined || discord === null ? '-' : sessions,
    String(hints?.count ?? '-'),
    String(hints?.setAside ?? '-'),
    database === undefined ? '-' : megabytes(database.database + database.wal),
  ];
}

function colored(state: string): string {
  const word = state.trim();
  return style(word === 'ready' ? 'green' : word === 'not ready' ? 'yellow' : 'red', state);
}
