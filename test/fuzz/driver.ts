/** What every fuzz target shares: how long it runs, from which seed, and how a failure is told and repeated. */
import fc from 'fast-check';

export interface FuzzOptions {
  /** The same seed makes the same inputs in the same order. */
  readonly seed: number;
  /** Stops after so many inputs, or this long, whichever is first. */
  readonly runs: number;
  readonly seconds: number;
  /** Repeats one input of a seed: the `path` that a failure has printed. */
  readonly path?: string;
}

/** Something that is fed with generated inputs. `await using` it: it may have servers running. */
export interface FuzzTarget extends AsyncDisposable {
  readonly name: string;
  /** Feeds inputs until time or runs are used up. @throws with the smallest input that fails, its seed and its path */
  run(options: FuzzOptions): Promise<FuzzReport>;
}

export interface FuzzReport {
  readonly inputs: number;
  /** What the inputs were made into, by kind: a fuzzer that only ever meets refusals tests nothing. */
  readonly seen: Readonly<Record<string, number>>;
}

/**
 * Feeds one kind of input.
 * @param check throws when an input breaks a promise
 */
export async function feed<Input>(
  inputs: fc.Arbitrary<Input>,
  check: (input: Input) => Promise<void>,
  { seed, runs, seconds, path }: FuzzOptions,
): Promise<number> {
  const result = await fc.check(fc.asyncProperty(inputs, check), {
    seed,
    numRuns: runs,
    ...(path === undefined ? {} : { path }),
    interruptAfterTimeLimit: seconds * 1_000,
    markInterruptAsFailure: false,
    // Each smaller input is sent over real sockets, too.
    endOnFailure: false,
  });
  if (!result.failed) return result.numRuns;
  const { counterexample, errorInstance, counterexamplePath } = result;
  const why = errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance);
  const repeat = `--seed ${result.seed} --path ${counterexamplePath}`;
  const story = `${fc.stringify(counterexample?.[0])}\n${why}`;
  // A large body in it says nothing, and hides what does.
  const short = story.replace(/(.)\1{99,}/g, (run, character: string) => `${character}{${run.length}}`);
  throw new Error(`failed; repeat with ${repeat}\n${short}`);
}
