/**
 * Draws a CPU profile of Node as a flame graph: `node bench/flame.ts FILE.cpuprofile OUT.svg [FROM_MS] [TO_MS]`.
 * Record the profile with `node --cpu-prof` while the benchmark's generator puts load on the process.
 * For a process that shares its core, let the kernel sample it with `node --perf-basic-prof` and `perf record -g -e cpu-clock`. Then run
 * `perf script -F comm,pid,ip,sym > FILE.txt` and `node bench/flame.ts FILE.txt OUT.svg`.
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Frame {
  readonly name: string;
  readonly url: string;
  time: number;
  readonly children: Map<string, Frame>;
}

const WIDTH = 1200;
const ROW = 17;
const NARROWEST = 0.6;

const newFrame = (name: string, url: string): Frame => ({ name, url, time: 0, children: new Map() });

/** The callees of a frame, most expensive first. */
function called(frame: Frame, key: string, url: string, time: number): Frame {
  const child = frame.children.get(key) ?? newFrame(key.trim(), url);
  frame.children.set(key, child);
  child.time += time;
  return child;
}

/** Merges the stacks of a time range into one tree, without idle time. */
function merge({ nodes, samples, timeDeltas }: Profile, fromMs: number, toMs: number): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parent = new Map(nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id] as const)));
  const root = newFrame('all', '');
  let at = 0;
  samples.forEach((sample, i) => {
    const delta = timeDeltas[i] as number;
    at += delta / 1000;
    if (at < fromMs || at > toMs || byId.get(sample)?.callFrame.functionName === '(idle)') return;
    const stack: number[] = [];
    for (let id: number | undefined = sample; id !== undefined; id = parent.get(id)) stack.unshift(id);
    let frame = root;
    root.time += delta;
    for (const id of stack.slice(1)) {
      const { functionName, url } = (byId.get(id) as Profile['nodes'][number]).callFrame;
      const name = functionName === '' ? '(anonymous)' : functionName;
      const file = url.split('/').at(-1) ?? '';
      const key = `${name} ${file}`;
      frame = called(frame, key, url, delta);
    }
  });
  return root;
}

/** The frames between C++ and JavaScript, which are the same in every stack. */
const ENTRY =
  /^(Builtins_JSEntry|v8::internal::\(anon|v8::internal::Execution|v8::Function::Call|node::|uv_run|__libc|_start|main)/;

/** Merges the stacks from `perf script`, which lists each innermost first and ends it with an empty line. */
function mergePerf(text: string): Frame {
  const root = newFrame('all', '');
  for (const block of text.split('\n\n')) {
    const lines = block.trim().split('\n').slice(1);
    if (lines.length === 0) continue;
    let frame = root;
    root.time++;
    for (const line of lines.toReversed()) {
      const symbol = line.trim().replace(/^[0-9a-f]+ /, '');
      const [, script = '', where = ''] = /^JS:[*'^~+]*(\S*) (\S+):\d+:\d+/.exec(symbol) ?? [];
      if (where === '' && ENTRY.test(symbol)) continue;
      const key = where === '' ? symbol.slice(0, 60) : `${script || '(anonymous)'} ${where.split('/').at(-1)}`;
      frame = called(frame, key, where, 1);
    }
  }
  return root;
}

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Blue for Guildway, grey for Node's JavaScript, yellow for native code and the kernel. */
function colour({ url }: Frame): string {
  if (url.startsWith('file:')) return '#9db9ee';
  return url === '' ? '#f2d78b' : '#d5d9e0';
}

function draw(root: Frame): string {
  const parts: string[] = [];
  let depths = 0;
  const place = (frame: Frame, x: number, depth: number): void => {
    const width = (frame.time / root.time) * WIDTH;
    if (width < NARROWEST) return;
    depths = Math.max(depths, depth);
    const share = ((frame.time / root.time) * 100).toFixed(1);
    const label = width > 40 ? escapeXml(frame.name.slice(0, Math.floor(width / 6.4))) : '';
    const y = depth * ROW + 30;
    parts.push(
      `<g><title>${escapeXml(frame.name)}: ${share} %</title><rect x="${x.toFixed(1)}" y="${y}" width="${(width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${colour(frame)}"/>` +
        `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${label}</text></g>`,
    );
    let left = x;
    for (const child of [...frame.children.values()].toSorted((a, b) => b.time - a.time)) {
      place(child, left, depth + 1);
      left += (child.time / root.time) * WIDTH;
    }
  };
  place(root, 0, 0);
  const height = (depths + 1) * ROW + 40;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="ui-monospace, monospace" font-size="11">
<rect width="100%" height="100%" fill="#fff"/>
<text x="4" y="18" font-size="13">CPU under routed GETs, callers above what they call. Blue: Guildway. Grey: Node. Yellow: native code and system calls.</text>
${parts.join('\n')}
</svg>
`;
}

const [input, output, fromMs = '0', toMs = 'Infinity'] = process.argv.slice(2);
if (input === undefined || output === undefined)
  throw new Error('usage: node bench/flame.ts FILE.cpuprofile OUT.svg [FROM_MS] [TO_MS]');
const text = readFileSync(input, 'utf8');
const tree = input.endsWith('.cpuprofile')
  ? merge(JSON.parse(text) as Profile, Number(fromMs), Number(toMs))
  : mergePerf(text);
writeFileSync(output, draw(tree));
