import { styleText } from 'node:util';
import type { Measurement } from './measures.ts';
import type { Entry } from './recorder.ts';
import type { ChaosReport, Progress } from './run.ts';

const PHASES: Readonly<Record<Progress['phase'], string>> = {
  starting: 'starting the cluster',
  running: 'running',
  healing: 'healing every fault',
  moving: 'waiting for guilds to reach their owners',
  draining: 'waiting for stored requests',
  checking: 'reading the databases',
};

/** The progress of a run in one line. */
export function progressLine({ phase, elapsedMs, recorder, faults }: Progress): string {
  const { entries } = recorder;
  const seconds = `${(elapsedMs / 1_000).toFixed(0)} s`.padStart(5);
  if (phase === 'starting') return `${seconds}  ${PHASES[phase]}`;
  const parts = [
    `${entries.length} sent`,
    `${recorder.count('acknowledged')} acknowledged`,
    `${recorder.count('deferred')} deferred`,
    `${recorder.count('completed')} completed late`,
    `${recorder.count('refused', 'not-done')} refused`,
    `${recorder.count('unknown')} unknown`,
    `${faults} faults`,
  ];
  return `${seconds}  ${PHASES[phase]}: ${parts.join(', ')}`;
}

const milliseconds = (value: number | null): string => (value === null ? 'too few' : `${Math.round(value)} ms`);

/** The verdict as a table, with the findings and the command that repeats the run. */
export function renderReport(report: ChaosReport, command: string): string {
  const { verdict, latency } = report;
  const { fates, problems } = verdict;
  const rows: [string, string | number, bad?: boolean][] = [
    ['operations sent', verdict.operations],
    ['acknowledged', fates.acknowledged],
    ['deferred', report.deferred],
    ['  completed late', fates.completed],
    ['  reported as not done', fates['not-done']],
    ['  done, but never reported', problems.unresolved, problems.unresolved > 0],
    ['refused', fates.refused],
    ['unknown', fates.unknown],
    ['interactions without a response in 3 s', report.unanswered],
    ['lost', problems.lost, problems.lost > 0],
    ['doubled', problems.doubled, problems.doubled > 0],
    ['misplaced', problems.misplaced, problems.misplaced > 0],
    ['refused but applied', problems.contradicted, problems.contradicted > 0],
    ['stray rows', problems.stray, problems.stray > 0],
    ['hints left', report.hintsLeft, report.hintsLeft > 0],
    ['faults', report.faults],
    ...(report.resizes === 0 ? [] : [['changes of the number of pods', report.resizes] as [string, number]]),
    ['Discord sessions lost', report.sessionsLost],
    ['longest wait for a response', milliseconds(latency.longestAnswerMs)],
    ['longest wait for a completion', milliseconds(latency.longestCompletionMs)],
    ['p99 of undisturbed guilds', milliseconds(latency.undisturbedP99Ms)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value, bad]) => {
    const line = `  ${name.padEnd(width)}  ${String(value).padStart(8)}`;
    return bad === true ? styleText('red', line) : line;
  });
  for (const [note, count] of notesOf(report.entries)) lines.push(`  unknown: ${count} × ${note}`);
  for (const failure of report.failures) lines.push(styleText('red', `  ${failure}`));
  for (const finding of verdict.findings.slice(0, 20)) {
    const { problem, operation, guildId, via, fate, owner, rows: found } = finding;
    lines.push(
      `  ${problem}: ${operation} (${via ?? 'unknown'}, ${fate ?? 'never sent'}) of guild ${guildId}, owner ${owner}, rows ${found.join(' ') || 'none'}`,
    );
  }
  if (verdict.findings.length > 20) lines.push(`  … and ${verdict.findings.length - 20} more`);
  if (report.directory !== null) lines.push(`  Databases and logs: ${report.directory}`);
  lines.push('', report.ok ? styleText('green', '  Nothing lost, nothing doubled.') : styleText('red', '  Failed.'));
  lines.push(`  To repeat: ${command}`);
  return lines.join('\n');
}

/** The reasons for unknown outcomes, with counts. Drops details in parentheses, so that equal reasons group together. */
function notesOf(entries: readonly Entry[]): [string, number][] {
  const notes = entries.flatMap(({ knowledge, via, note }) =>
    knowledge === 'unknown' || knowledge === 'pending'
      ? [`${via}: ${(note ?? 'no response').replace(/\s*\([^)]*\)$/, '')}`]
      : [],
  );
  return [...Map.groupBy(notes, (note) => note)].map(([note, { length }]) => [note, length]);
}

/** The criteria of a measurement with the measured values. */
export function renderMeasurement({ criteria, ok }: Measurement): string {
  const width = Math.max(...criteria.map(({ what }) => what.length));
  const lines = criteria.map(({ what, wanted, seen, met }) => {
    const line = `  ${met ? 'yes' : 'NO '}  ${what.padEnd(width)}  ${seen}${met ? '' : `, wanted ${wanted}`}`;
    return met ? line : styleText('red', line);
  });
  return [...lines, '', ok ? styleText('green', '  All criteria met.') : styleText('red', '  Criteria missed.')].join(
    '\n',
  );
}
