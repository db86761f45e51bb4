import { hash } from 'node:crypto';

/**
 * Identifies an event by its content, because the same event has other sequence numbers in another session.
 * @returns equal for equal events, regardless of the order of fields
 */
export function eventHash(name: string, data: unknown): string {
  // Two sessions may see other members online, so a guild that appears is recognized by its id.
  const content = name === 'GUILD_CREATE' ? (data as { id?: unknown }).id : data;
  return hash('sha256', `${name} ${JSON.stringify(content, sorted)}`, 'base64url');
}

function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
