/** What `--quick` measures: moments, but so many answers that a peer that gives none is found out. */
export const QUICK = Object.freeze({ measureMs: 100, minAnswers: 50 });

/** Reads a number that must be above 0 from the command line. @throws Error that names the option and its value */
export function positiveNumber(name: string, raw: string): number {
  const value = Number(raw);
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, not ${JSON.stringify(raw)}`);
  return value;
}
