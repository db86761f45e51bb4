import { styleText } from 'node:util';

/** Plain text where the output is not a terminal, or NO_COLOR is set. */
export const style = (format: Parameters<typeof styleText>[0], text: string): string =>
  styleText(format, text, { stream: process.stdout });

/** Lines of a table: columns aligned, the headings dimmed. @param right the columns with numbers */
export function table(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((cells) => (cells[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    widths
      .map((width, column) =>
        right.includes(column) ? (cells[column] ?? '').padStart(width) : (cells[column] ?? '').padEnd(width),
      )
      .join('  ')
      .trimEnd();
  return [style('dim', line(headings)), ...rows.map(line)];
}

export const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;

/** Bytes in the unit that fits. */
export function size(bytes: number): string {
  if (bytes < 100_000) return `${(bytes / 1_000).toFixed(bytes === 0 ? 0 : 1)} KB`;
  return bytes < 1e9 ? megabytes(bytes) : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** 1234567 as 1,234,567. */
export const count = (value: number): string => value.toLocaleString('en-US');

export const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** Seconds as people say them, such as `about 2 min`. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5_400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}
