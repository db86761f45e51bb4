import { type Html, html } from './html.ts';

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** A relative time, such as `3 hours ago`, with the exact time as the tooltip. Both arguments are Unix milliseconds. */
export function ago(unixMs: number, now: number): Html {
  const iso = new Date(unixMs).toISOString();
  return html`<time datetime="${iso}" title="${iso.slice(0, 16).replace('T', ' ')} UTC">${relative(now - unixMs)}</time>`;
}

function relative(ms: number): string {
  for (const [unit, size] of UNITS) {
    const count = Math.floor(ms / size);
    if (count >= 1) return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
  }
  return 'just now';
}
