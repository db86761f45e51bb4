import { hash } from 'node:crypto';

/**
 * The first four bytes of `md5(text)` as a big-endian unsigned integer: the published rule.
 * Hexadecimal digits are read because a string costs less than a Buffer.
 * @param text ASCII
 */
export const md5FirstWord = (text: string): number => Number.parseInt(hash('md5', text, 'hex').slice(0, 8), 16);
