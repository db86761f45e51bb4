// The result of a transaction is recorded as JSON. An integer that SQLite holds may be larger than JSON and JavaScript's numbers
// take: it is a BigInt, and written as a string behind a mark. Other strings that begin like a mark are marked as strings.

const UNDEFINED = 'undefined';
const BIGINT = '\u0000n';
const STRING = '\u0000s';
/** How any of the marks looks in JSON. */
const ENCODED_MARK = '"\\u0000';

/** @throws TypeError for a promise, or what JSON cannot have: a circle */
export function encodeResult(result: unknown): string {
  if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function') {
    throw new TypeError('the work of context.transaction returned a promise: it must be synchronous');
  }
  try {
    // What JSON does not know becomes undefined: a function, a symbol.
    const text = JSON.stringify(result) ?? UNDEFINED;
    // With a replacer it takes several times as long, and hardly any result needs one.
    if (!text.includes(ENCODED_MARK)) return text;
  } catch (error) {
    // A BigInt: tried again with the replacer, which throws what else was wrong.
    if (!(error instanceof TypeError)) throw error;
  }
  return JSON.stringify(result, (_key, value: unknown) => {
    if (typeof value === 'bigint') return BIGINT + String(value);
    return typeof value === 'string' && value.startsWith('\u0000') ? STRING + value : value;
  });
}

export function decodeResult(text: string): unknown {
  if (text === UNDEFINED) return undefined;
  if (!text.includes(ENCODED_MARK)) return JSON.parse(text);
  return JSON.parse(text, (_key, value: unknown) => {
    if (typeof value !== 'string') return value;
    if (value.startsWith(BIGINT)) return BigInt(value.slice(BIGINT.length));
    return value.startsWith(STRING) ? value.slice(STRING.length) : value;
  });
}
