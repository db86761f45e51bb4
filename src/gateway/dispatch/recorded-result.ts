// The result of a transaction is recorded as JSON. An integer from SQLite may exceed JavaScript's safe integers. It is a BigInt
// then, and recorded as a string with a prefix. Strings that happen to begin with a prefix get one of their own.

const UNDEFINED = 'undefined';
const BIGINT = '\u0000n';
const STRING = '\u0000s';
/** How a prefix looks in JSON. */
const ENCODED_MARK = '"\\u0000';

/** @throws TypeError for a promise, and for a circular structure */
export function encodeResult(result: unknown): string {
  if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function') {
    throw new TypeError('the work of context.transaction returned a promise: it must be synchronous');
  }
  try {
    // JSON turns functions and symbols into undefined.
    const text = JSON.stringify(result) ?? UNDEFINED;
    // A replacer makes this several times slower, and few results need one.
    if (!text.includes(ENCODED_MARK)) return text;
  } catch (error) {
    // Probably a BigInt: try again with the replacer. It throws for anything else.
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
