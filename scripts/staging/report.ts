import type { Sample } from './load.ts';
import type { Phase, RunResult } from './run.ts';

/** The report of a run as Markdown. */
export function renderReport(result: RunResult): string {
  const { verdict } = result;
  const { lost, doubled, misplaced, contradicted, unresolved, stray } = verdict.problems;
  return [
    `# Staging run: ${result.passed ? 'passed' : 'FAILED'}`,
    '',
    result.platform,
    '',
    '| action under load | s | requests | answered | deferred | page 503 | failed | p50 ms | p99 ms | longest ms |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...result.phases.map(renderRow),
    '',
    ...result.phases.flatMap(({ title, notes }) => notes.map((note) => `- ${title}: ${note}`)),
    ...completions(result.phases),
    '',
    `${verdict.operations} notes were written by users, ${verdict.rows} are in the databases: ${lost} lost, ${doubled} doubled, ` +
      `${misplaced} at a wrong pod, ${contradicted} written although refused, ${unresolved} never completed, ${stray} of unknown origin.`,
    ...(result.lostWithVolume > 0
      ? [`The lost volume contained ${result.lostWithVolume} acknowledged notes that were not in the backup yet.`]
      : []),
    '',
    ...result.integrity.map((line) => `- ${line}`),
    ...(result.problems.length > 0 ? ['', '## Problems', '', ...result.problems.map((line) => `- ${line}`)] : []),
    '',
  ].join('\n');
}

function renderRow({ title, seconds, samples, problems }: Phase): string {
  const count = (outcome: Sample['outcome']): number => samples.filter((sample) => sample.outcome === outcome).length;
  const times = samples
    .filter(({ outcome }) => outcome !== 'pending')
    .map(({ elapsedMs }) => elapsedMs)
    .toSorted((a, b) => a - b);
  const quantile = (q: number): string =>
    (times[Math.min(times.length - 1, Math.floor(q * times.length))] ?? 0).toFixed(0);
  const cells = [
    problems.length > 0 ? `**${title}**` : title,
    seconds.toFixed(0),
    samples.length,
    count('answered'),
    count('deferred'),
    count('unavailable'),
    count('failed'),
    quantile(0.5),
    quantile(0.99),
    quantile(1),
  ];
  return `| ${cells.join(' | ')} |`;
}

function completions(phases: readonly Phase[]): string[] {
  const deferred = phases.flatMap(({ samples }) => samples).filter(({ outcome }) => outcome === 'deferred');
  if (deferred.length === 0) return [];
  const completed = deferred.filter(({ fate }) => fate === 'completed');
  const longest = Math.max(0, ...completed.map(({ settledMs }) => settledMs ?? 0));
  return [
    `- ${completed.length} of ${deferred.length} deferred interactions were completed, the last after ${(longest / 1_000).toFixed(1)} s`,
  ];
}
