import { hash } from 'node:crypto';
import { ChunkWriter, type StoredValue } from './chunks.ts';

/** A digest of values and their types. */
export function digestOf(values: readonly StoredValue[]): string {
  const writer = new ChunkWriter('rows', 256);
  for (const value of values) writer.value(value);
  return hash('sha256', writer.end(), 'base64');
}
