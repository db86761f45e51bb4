/** Ids are larger than a JavaScript number can hold. */
const HAS_LARGE_NUMBER = /[:[,]\s*\d{16,}\s*[,\]}]/;

/**
 * Parses JSON. Large integers become strings: Discord takes ids as numbers, too, and discord.py sends some like that.
 * @throws SyntaxError
 */
export function parseJson(text: string): unknown {
  return JSON.parse(text, HAS_LARGE_NUMBER.test(text) ? keepLargeNumbers : undefined) as unknown;
}

function keepLargeNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  const isLarge = typeof value === 'number' && !Number.isSafeInteger(value);
  return isLarge && /^\d+$/.test(context?.source ?? '') ? context?.source : value;
}
