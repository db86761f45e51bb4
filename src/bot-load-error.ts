import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Ends a bot that waits for something while it is loaded again. */
const TIMEOUT_MS = 10_000;
/** A file and a line, as Node prints them above the source of a syntax error. */
const LOCATION = /^((?:file:\/\/)?(?:\/|[A-Za-z]:[\\/]).+:\d+)$/m;
/** The first call in a file, not in Node. */
const FRAME = /^ +at .*?\(?((?:file:\/\/)?(?:\/|[A-Za-z]:[\\/])[^()]+:\d+:\d+)\)?$/m;

/**
 * Says why a bot's module cannot be loaded: the message, the file and line where they are known, and the way out where there is one.
 * @param url of the module; null if it is not loaded by `import`
 */
export function explainLoadError(error: unknown, url: string | null): string {
  if (!(error instanceof Error)) return `it throws ${JSON.stringify(error)}`;
  const { code } = error as NodeJS.ErrnoException;
  const missing = /Cannot find package '([^']+)'/.exec(error.message)?.[1];
  if (missing !== undefined) {
    return `${error.message}. Run this in the folder of the bot: npm install ${missing}`;
  }
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') return error.message;
  const at = locationOf(error, url);
  return at === null ? error.message : `${error.message}\n    at ${at}`;
}

/** Such as `/app/bot.ts:12:3`, or null. */
function locationOf(error: Error, url: string | null): string | null {
  const stack = error.stack ?? '';
  const found =
    error instanceof SyntaxError ? (LOCATION.exec(stack) ?? LOCATION.exec(stackOfAnotherLoad(url))) : FRAME.exec(stack);
  const location = found?.[1];
  if (location === undefined) return null;
  return location.startsWith('file://') ? withoutScheme(location) : location;
}

function withoutScheme(location: string): string {
  const [, file = location, position = ''] = /^(.*?)((?::\d+)+)$/.exec(location) ?? [];
  return `${fileURLToPath(file)}${position}`;
}

/**
 * Node keeps the location of a syntax error in a module to itself until the process ends of it. So another process loads the
 * module; none of its code runs, because a module with a syntax error is never evaluated.
 */
function stackOfAnotherLoad(url: string | null): string {
  if (url === null) return '';
  const { stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', `await import(${JSON.stringify(url)})`],
    { encoding: 'utf8', timeout: TIMEOUT_MS, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  return stderr;
}
