import { type Html, html } from './html.ts';

export interface Bar {
  /** The label of the bar, such as `14:00`. */
  readonly label: string;
  readonly value: number;
}

const HEIGHT = 100;

/** A bar chart as inline SVG that fills its container. Labels are HTML outside the SVG, so they stay readable on a phone. */
export function barChart(bars: readonly Bar[], about: string): Html {
  const highest = Math.max(1, ...bars.map(({ value }) => value));
  const peak = bars.find(({ value }) => value === highest);
  const summary = peak === undefined ? about : `${about}. Most at ${peak.label}: ${highest}.`;
  const width = bars.length * 10;
  const rects = bars.map(({ label, value }, i) => {
    // Keeps small values visible beside large ones.
    const height = value === 0 ? 0 : Math.max(2, (value / highest) * HEIGHT);
    return html`<rect x="${i * 10 + 1}" y="${HEIGHT - height}" width="8" height="${height}"><title>${label}: ${value}</title></rect>`;
  });
  const middle = bars[Math.floor(bars.length / 2)];
  return html`<div class="chart">
<svg viewBox="0 0 ${width} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${summary}">
<line x1="0" y1="${HEIGHT}" x2="${width}" y2="${HEIGHT}"/>${rects}
</svg>
<div class="axis" aria-hidden="true"><span>${bars[0]?.label ?? ''}</span><span>${middle?.label ?? ''}</span><span>${bars.at(-1)?.label ?? ''}</span></div>
</div>`;
}
