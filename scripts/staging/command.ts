import { spawn } from 'node:child_process';

class CommandError extends Error {
  readonly stderr: string;
  constructor(command: string, status: string, stderr: string) {
    super(`${command}: ${status}\n${stderr.trim()}`);
    this.stderr = stderr;
  }
}

interface CommandOptions {
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Merges standard error into the result. */
  readonly merge?: true;
}

/** Runs a program to completion. @returns its standard output @throws CommandError if it fails */
export function command(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: options.cwd, env: options.env, stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => (options.merge ? out : err).push(chunk));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else {
        const shown = `${program} ${args.join(' ')}`.slice(0, 200);
        reject(new CommandError(shown, signal ?? `exit ${code}`, Buffer.concat(options.merge ? out : err).toString()));
      }
    });
    child.stdin.end(options.input);
  });
}
