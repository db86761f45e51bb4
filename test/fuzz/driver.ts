/** The shared driver of the fuzz targets: duration, seed, and the report and repetition of failures. */
import fc from 'fast-check';

export interface FuzzOptions {
  /** A seed gives the same inputs in the same order. */
  readonly seed: number;
  /** Stops after this many inputs or this time, whichever comes first. */
  readonly runs: number;
  readonly seconds: number;
  /** Repeats one input of a seed: the `path` from the report of a failure. */
  readonly path?: string;
}

/** A target for generated inputs. Use it with `await using`, because it may run servers. */
export interface FuzzTarget extends AsyncDisposable {
  readonly name: string;
  /** Runs inputs until the limit. @throws with the smallest failing input, its seed and its path */
  run(options: FuzzOptions): Promise<FuzzReport>;
}

export interface FuzzReport {
  readonly inputs: number;
  /** The outcomes of inputs by kind, which show that the inputs are not all rejected. */
  readonly seen: Readonly<Record<string, number>>;
}

/**
 * Runs one kind of input.
 * @param check throws if an input violates a guarantee
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
    // Smaller inputs also use real sockets.
    endOnFailure: false,
  });
  if (!result.failed) return result.numRuns;
  const { counterexample, errorInstance, counterexamplePath } = result;
  const why = errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance);
  const repeat = `--seed ${result.seed} --path ${counterexamplePath}`;
  const story = `${fc.stringify(counterexample?.[0])}\n${why}`;
  // A large body adds nothing to the report and hides the rest.
  const short = story.replace(/(.)\1{99,}/g, (run, character: string) => `${character}{${run.length}}`);
  throw new Error(`failed; repeat with ${repeat}\n${short}`);
}
