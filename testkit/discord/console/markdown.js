import { h } from './dom.js';

/**
 * Renders Discord's message markup: bold, italic, underline, strike, code, links, mentions, times, subtext, quotes, headings and
 * lists. Everything else is plain text.
 * @param {string} source
 * @param {{ user: (id: string) => string, channel: (id: string) => string }} names
 * @returns {Node[]}
 */
export function markdown(source, names) {
  const nodes = [];
  for (const [index, part] of source.split(/```(?:\w*\n)?/).entries()) {
    if (index % 2 === 1) nodes.push(h('pre', {}, h('code', {}, part.replace(/\n$/, ''))));
    else nodes.push(...lines(part.replace(/^\n|\n$/g, index === 0 ? '' : ''), names));
  }
  return nodes;
}

function lines(text, names) {
  const nodes = [];
  text.split('\n').forEach((line, index) => {
    const block = /^(-# |> |#{1,3} |[-*] )(.*)$/.exec(line);
    if (block !== null) {
      nodes.push(blockOf(block[1], inline(block[2], names)));
      return;
    }
    const previous = nodes.at(-1);
    if (index > 0 && !(previous instanceof HTMLElement && previous.dataset.block)) nodes.push(h('br'));
    nodes.push(...inline(line, names));
  });
  return nodes;
}

function blockOf(mark, children) {
  const block =
    mark === '-# '
      ? h('small', { class: 'subtext' }, ...children)
      : mark === '> '
        ? h('blockquote', {}, ...children)
        : mark.startsWith('#')
          ? h('strong', { class: `heading heading-${mark.length - 1}` }, ...children)
          : h('span', { class: 'bullet' }, ...children);
  block.dataset.block = 'true';
  return block;
}

const INLINE = new RegExp(
  [
    '`(?<code>[^`\\n]+)`',
    '\\*\\*(?<bold>.+?)\\*\\*',
    '__(?<underline>.+?)__',
    '~~(?<strike>.+?)~~',
    '\\*(?<italic>[^*\\s][^*]*?)\\*',
    '\\[(?<label>[^\\]]+)\\]\\((?<target>https?:\\/\\/[^)\\s]+)\\)',
    '(?<url>https?:\\/\\/[^\\s<>)]+)',
    '<@!?(?<user>\\d+)>',
    '<#(?<channel>\\d+)>',
    '<t:(?<time>-?\\d+)(?::(?<style>[tTdDfFR]))?>',
    '<\\/(?<command>[^:>]+):\\d+>',
  ].join('|'),
  'g',
);

function inline(text, names) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    nodes.push(text.slice(at, match.index));
    at = match.index + match[0].length;
    nodes.push(inlineNode(match.groups, names));
  }
  nodes.push(text.slice(at));
  return nodes
    .filter((node) => node !== '')
    .map((node) => (typeof node === 'string' ? document.createTextNode(node) : node));
}

function inlineNode(found, names) {
  const nested = (text) => inline(text, names);
  if (found.code !== undefined) return h('code', {}, found.code);
  if (found.bold !== undefined) return h('strong', {}, ...nested(found.bold));
  if (found.underline !== undefined) return h('u', {}, ...nested(found.underline));
  if (found.strike !== undefined) return h('s', {}, ...nested(found.strike));
  if (found.italic !== undefined) return h('em', {}, ...nested(found.italic));
  if (found.label !== undefined) return link(found.target, nested(found.label));
  if (found.url !== undefined) return link(found.url, [found.url]);
  if (found.user !== undefined) return h('span', { class: 'mention', title: found.user }, `@${names.user(found.user)}`);
  if (found.channel !== undefined) return h('span', { class: 'mention' }, `#${names.channel(found.channel)}`);
  if (found.command !== undefined) return h('span', { class: 'mention' }, `/${found.command}`);
  return timeNode(Number(found.time) * 1000, found.style);
}

function link(href, children) {
  return h('a', { href, target: '_blank', rel: 'noreferrer' }, ...children);
}

function timeNode(unixMs, style) {
  const date = new Date(unixMs);
  if (Number.isNaN(date.getTime())) return h('span', {}, 'an invalid date');
  const full = date.toLocaleString();
  return h('time', { dateTime: date.toISOString(), title: full }, style === 'R' ? relative(unixMs) : full);
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
];
const FORMAT = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** A relative time, such as `2 minutes ago`. @param {number} unixMs */
export function relative(unixMs) {
  const ms = unixMs - Date.now();
  const found = UNITS.find(([, size]) => Math.abs(ms) >= size);
  return found === undefined ? 'just now' : FORMAT.format(Math.round(ms / found[1]), found[0]);
}
