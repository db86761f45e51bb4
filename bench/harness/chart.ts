import type { Table } from './summary.ts';

const WIDTH = 900;
const LABEL = 330;
const BAR = 20;
const GAP = 8;
const COLOURS = { ours: '#3b6fd4', peer: '#8a93a3', floor: '#c9ced6' } as const;

/** Follows the reader's light or dark scheme. */
const STYLE =
  'text{fill:#1c2330}.quiet{fill:#5d6675}.page{fill:#fff}.grid{stroke:#e3e6ea}.whisker{stroke:#222;stroke-width:1.5}' +
  '@media(prefers-color-scheme:dark){text{fill:#e4e8ef}.quiet{fill:#9aa4b5}.page{fill:#14181f}.grid{stroke:#2c333f}.whisker{stroke:#e4e8ef}}';

const escapeXml = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

/** Horizontal bars of the cost per unit of work, one group for each table. Whiskers span the rounds. Longer is worse. */
export function barChart(title: string, tables: readonly Table[]): string {
  const parts: string[] = [];
  let y = 56;
  for (const table of tables) {
    const longest = Math.max(...table.rows.map((row) => row.cost.max));
    const scale = (value: number): number => (value / longest) * (WIDTH - LABEL - 110);
    parts.push(
      `<text x="16" y="${y}" font-weight="600">(${table.id}) ${escapeXml(table.title)}</text>`,
      `<text x="${WIDTH - 16}" y="${y}" text-anchor="end" class="quiet">${escapeXml(table.rows[0]?.unit ?? '')}</text>`,
    );
    y += 14;
    for (const row of table.rows) {
      const { median, min, max } = row.cost;
      const middle = y + BAR / 2;
      const text = median >= 100 ? median.toFixed(0) : median.toPrecision(3);
      parts.push(
        `<text x="${LABEL - 10}" y="${middle + 4}" text-anchor="end">${escapeXml(row.title)}</text>`,
        `<rect x="${LABEL}" y="${y}" width="${scale(median).toFixed(1)}" height="${BAR}" rx="2" fill="${COLOURS[row.role]}"/>`,
        `<path d="M${(LABEL + scale(min)).toFixed(1)} ${middle}H${(LABEL + scale(max)).toFixed(1)}" class="whisker"/>`,
        `<text x="${(LABEL + scale(max) + 8).toFixed(1)}" y="${middle + 4}">${text}</text>`,
      );
      y += BAR + GAP;
    }
    y += 30;
  }
  return frame(title, y, parts);
}

/** One line for each series over a shared logarithmic or categorical axis. */
export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly x: readonly string[];
  readonly series: readonly { readonly name: string; readonly y: readonly (number | null)[] }[];
}

const LINE_COLOURS = ['#3b6fd4', '#d4663b', '#3b9c5a', '#8a5bc7', '#b0892a', '#4aa6b5'];

/** Line charts below one another. Axes start at zero, so that slopes are not exaggerated. */
export function lineCharts(title: string, charts: readonly LineChart[]): string {
  const parts: string[] = [];
  let top = 50;
  const left = 80;
  const plotWidth = WIDTH - left - 240;
  const height = 190;
  for (const chart of charts) {
    const highest = 1.15 * Math.max(...chart.series.flatMap(({ y }) => y.map((value) => value ?? 0)));
    const xAt = (i: number): number => left + (chart.x.length === 1 ? 0 : (i / (chart.x.length - 1)) * plotWidth);
    const yAt = (value: number): number => top + 24 + height - (value / highest) * height;
    parts.push(`<text x="16" y="${top}" font-weight="600">${escapeXml(chart.title)}</text>`);
    for (const part of [0, 0.5, 1]) {
      const value = highest * part;
      parts.push(
        `<path d="M${left} ${yAt(value)}h${plotWidth}" class="grid"/>`,
        `<text x="${left - 8}" y="${yAt(value) + 4}" text-anchor="end" class="quiet">${value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(2)}</text>`,
      );
    }
    chart.x.forEach((label, i) => {
      parts.push(
        `<text x="${xAt(i)}" y="${top + height + 42}" text-anchor="middle" class="quiet">${escapeXml(label)}</text>`,
      );
    });
    parts.push(
      `<text x="${left + plotWidth / 2}" y="${top + height + 60}" text-anchor="middle" class="quiet">${escapeXml(chart.xLabel)}</text>`,
      `<text x="${left}" y="${top + 16}" class="quiet">${escapeXml(chart.yLabel)}</text>`,
    );
    chart.series.forEach(({ name, y }, i) => {
      const colour = LINE_COLOURS[i % LINE_COLOURS.length] as string;
      const points = y.flatMap((value, at) => (value === null ? [] : [[xAt(at), yAt(value)] as const]));
      parts.push(
        `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' ')}"/>`,
        ...points.map(([px, py]) => `<circle cx="${px.toFixed(1)}" cy="${py.toFixed(1)}" r="3" fill="${colour}"/>`),
        `<rect x="${WIDTH - 220}" y="${top + 26 + i * 20}" width="12" height="12" fill="${colour}"/>`,
        `<text x="${WIDTH - 202}" y="${top + 37 + i * 20}">${escapeXml(name)}</text>`,
      );
    });
    top += height + 110;
  }
  return frame(title, top - 30, parts);
}

function frame(title: string, height: number, parts: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13">
<style>${STYLE}</style>
<rect class="page" width="100%" height="100%"/>
<text x="16" y="26" font-size="16" font-weight="700">${escapeXml(title)}</text>
${parts.join('\n')}
</svg>
`;
}
