import { createHmac, timingSafeEqual } from 'node:crypto';
import { clocksNow, type WallTime } from '../time.ts';

// Requests that cannot use the link (large bodies, streams, upgrades) reach a gateway pod over plain HTTP. Each carries a proof that
// its sender has LINK_SECRET, and the ordinal of the intended pod, so that a pod that has taken over the address rejects it.

/** Tolerates clock differences between pods. Only an attacker who reads the cluster's network can misuse a proof. */
const WINDOW_MS = 5 * 60_000;

const mac = (secret: string, ordinal: string, at: string, method: string, target: string): Buffer =>
  createHmac('sha256', secret).update(`guildway-plain-v1\n${ordinal}\n${at}\n${method}\n${target}`).digest();

/** The value of the `guildway-auth` header for a plain HTTP request to pod `ordinal`. */
export function signPlainRequest(
  secret: string,
  ordinal: number,
  method: string,
  target: string,
  now: readonly WallTime[] = clocksNow(),
): string {
  const at = now.join(',');
  return `v1;${ordinal};${at};${mac(secret, String(ordinal), at, method, target).toString('hex')}`;
}

/**
 * Checks a `guildway-auth` header.
 * @returns the ordinal that the client dialled, or null if the header is missing, malformed, expired or wrong
 */
export function verifyPlainRequest(
  secret: string,
  header: string | undefined,
  method: string,
  target: string,
  now: readonly WallTime[] = clocksNow(),
): { dialled: number } | null {
  const match = /^v1;(\d{1,5});(\d{1,16}(?:,\d{1,16})?);([0-9a-f]{64})$/.exec(header ?? '');
  if (match === null) return null;
  const [, ordinal, at, proof] = match as unknown as [string, string, string, string];
  const signedAt = at.split(',').map(Number);
  if (!signedAt.some((signed) => now.some((ours) => Math.abs(ours - signed) <= WINDOW_MS))) return null;
  const expected = mac(secret, ordinal, at, method, target);
  return timingSafeEqual(expected, Buffer.from(proof, 'hex')) ? { dialled: Number(ordinal) } : null;
}
