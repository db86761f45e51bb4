import { asVariables } from '../../routing/topology.ts';
import { count, duration, percent, size, style, table } from '../style.ts';
import type { Amount, MovePlan, StrategyPlan } from './move-plan.ts';

/** A plan as text for people. */
export function renderPlan(plan: MovePlan): string {
  const { from, to, total, moves, pods, obstacles, notes } = plan;
  const share = total.guilds === 0 ? 0 : moves.guilds / total.guilds;
  return [
    `${style('bold', 'From')}  ${asVariables(from)}`,
    `${style('bold', 'To')}    ${asVariables(to)}`,
    '',
    moves.guilds === 0
      ? `No guild moves: the rows of all ${count(total.guilds)} guilds are at their owners.`
      : `${count(moves.guilds)} of ${count(total.guilds)} guilds move (${percent(share)}): ${rowsOf(moves)}. It takes about ${duration(plan.seconds)}.`,
    '',
    ...table(
      ['POD', 'GUILDS NOW', 'LEAVE', 'ARRIVE', 'GUILDS THEN', 'ROWS THAT LEAVE', 'BYTES THAT LEAVE'],
      pods.map(({ pod, stays, leaves, arrives }) => [
        `gateway-${pod}`,
        count(stays.guilds + leaves.guilds),
        count(leaves.guilds),
        count(arrives.guilds),
        count(stays.guilds + arrives.guilds),
        count(leaves.rows),
        size(leaves.bytes),
      ]),
      [1, 2, 3, 4, 5, 6],
    ),
    '',
    ...strategies(plan),
    ...collisions(plan),
    ...section('Notes', notes),
    ...(obstacles.length === 0
      ? []
      : [
          '',
          style('red', 'The move would not complete before this is mended:'),
          ...obstacles.map((obstacle) => `  - ${obstacle}`),
        ]),
  ].join('\n');
}

const rowsOf = ({ rows, bytes }: Amount): string => `${count(rows)} rows, ${size(bytes)}`;

function strategies({ to, strategies: both }: MovePlan): string[] {
  const line = ({ topology, guilds, share, nextShare }: StrategyPlan): string[] => [
    topology.strategy === to.strategy ? `${topology.strategy} (chosen)` : topology.strategy,
    `${count(guilds)} guilds (${percent(share)})`,
    `${percent(nextShare)} of the guilds`,
  ];
  return table(['ROUTING', 'MOVES NOW', `A LATER CHANGE TO ${to.pods + 1} PODS MOVES`], both.map(line));
}

function collisions({ collisions: found }: MovePlan): string[] {
  const lines = found
    .filter(({ obstacle }) => obstacle === null)
    .map(
      ({ table, columns, count: rows, examples, pods: [one, other] }) =>
        `${table}: ${count(rows)} rows of gateway-${one} and gateway-${other} have the same ${columns.join(', ')} (${examples.slice(0, 3).join(', ')}${rows > 3 ? ' …' : ''}). Those that move get new ones, and so do rows that refer to them`,
    );
  return section('Keys', lines);
}

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ['', style('bold', title), ...lines.map((line) => `  - ${line}`)];
