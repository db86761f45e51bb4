import type { WriteStream } from 'node:tty';

const EVERY_MS = 10_000;

/** Shows progress: on a terminal one line that is rewritten, elsewhere a line every ten seconds. */
export class ProgressPrinter {
  readonly #out: WriteStream;
  #nextAt = 0;
  #shown = false;

  constructor(out: WriteStream) {
    this.#out = out;
  }

  show(line: string): void {
    if (this.#out.isTTY) {
      this.#out.write(`\r\u001b[2K  ${line.slice(0, Math.max(20, this.#out.columns - 3))}`);
      this.#shown = true;
    } else if (performance.now() >= this.#nextAt) {
      this.#out.write(`  ${line}\n`);
      this.#nextAt = performance.now() + EVERY_MS;
    }
  }

  /** Prints a permanent line. */
  say(line: string): void {
    this.#out.write(`${this.#shown ? '\r\u001b[2K' : ''}${line}\n`);
    this.#shown = false;
  }
}
