import type { Spread } from './statistics.ts';
import type { Row, Table } from './summary.ts';

const number = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en-US') : value >= 100 ? value.toFixed(0) : value.toPrecision(3);
const withRange = ({ median, min, max }: Spread): string => `${number(median)} (${number(min)}–${number(max)})`;
const ratioText = (ratio: Spread): string =>
  `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`;

/** Whether a target was reached; empty without a target. */
export function verdict({ ours, target }: Row): string {
  if (ours === null || target === null) return '';
  return `≤ ${target}: ${ours.median <= target ? 'reached' : 'missed'}`;
}

/** A table as Markdown, which also reads well on a terminal. */
export function markdown(table: Table): string {
  const rates = table.rows.some((row) => row.perSecond !== null);
  const latency = table.rows.some((row) => row.latency !== null);
  const away = table.rows.some((row) => row.awayP50 !== null);
  const header = [
    '',
    table.rows[0]?.unit ?? '',
    'ours / this',
    'target',
    ...(rates ? ['per second'] : []),
    ...(latency ? ['busy', 'p50 ms', 'p99 ms', 'p99.9 ms', 'peak MB', 'failed'] : []),
    ...(away ? ['away p50 ms'] : []),
  ];
  const rows = table.rows.map((row) => [
    row.role === 'ours' ? `**${row.title}**` : row.role === 'floor' ? `*${row.title}*` : row.title,
    withRange(row.cost),
    row.ours === null ? '' : ratioText(row.ours),
    verdict(row),
    ...(row.perSecond === null ? [] : [number(row.perSecond.median)]),
    ...(row.latency === null
      ? []
      : [
          `${Math.round((row.busy?.median ?? 0) * 100)} %`,
          row.latency.p50.median.toFixed(2),
          row.latency.p99.median.toFixed(2),
          row.latency.p999.median.toFixed(2),
          String(Math.round(row.peakMemoryMB ?? 0)),
          String(row.failed),
        ]),
    ...(row.awayP50 === null ? [] : [Number.isFinite(row.awayP50.median) ? row.awayP50.median.toFixed(2) : 'waiting']),
  ]);
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((cells) => (cells[column] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] as number) : cell.padStart(widths[column] as number))).join(' | ')} |`;
  const rule = `| ${widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [
    `### (${table.id}) ${table.title}`,
    '',
    table.note,
    '',
    line(header),
    rule,
    ...rows.map(line),
    ...(table.skipped.length === 0 ? [] : ['', `Skipped: ${table.skipped.join('; ')}.`]),
    '',
  ].join('\n');
}
