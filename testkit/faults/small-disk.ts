import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** A separate file system of a few megabytes that a test can fill up. Needs root. */
export class SmallDisk implements Disposable {
  readonly path: string;
  readonly #filler: string;
  #mounted = true;

  /** @param path created if it does not exist */
  constructor(path: string, bytes: number) {
    mkdirSync(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path]);
    this.path = path;
    this.#filler = join(path, 'filler');
  }

  /** Fills all free space. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (let size = 1 << 20; size >= 1; ) {
        try {
          writeSync(file, Buffer.alloc(size));
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
          size >>= 1;
        }
      }
    } finally {
      closeSync(file);
    }
  }

  /** Frees the space that `fill` took. */
  free(): void {
    rmSync(this.#filler, { force: true });
  }

  [Symbol.dispose](): void {
    if (!this.#mounted) return;
    this.#mounted = false;
    execFileSync('umount', ['--lazy', this.path]);
  }
}
