import { createHmac, timingSafeEqual } from 'node:crypto';
import { type WallTime, wallNow } from '../../time.ts';

/** Stripe's own tolerance. */
const TOLERANCE_S = 300;

/**
 * Checks a `Stripe-Signature` header: `t=<seconds>,v1=<hmac-sha256 of "t.body">`, of which v1 may stand there several times while
 * a secret is being changed. Source: Stripe's documentation, "Verify webhook signatures manually".
 */
export function verifyStripe(secret: string, header: unknown, body: Buffer, now: WallTime = wallNow()): boolean {
  if (typeof header !== 'string' || header.length > 2_000) return false;
  const parts = header.split(',').map((part) => part.trim());
  const time = parts.find((part) => part.startsWith('t='))?.slice(2) ?? '';
  if (!/^\d{1,12}$/.test(time) || Math.abs(now / 1_000 - Number(time)) > TOLERANCE_S) return false;
  const expected = createHmac('sha256', secret).update(`${time}.`).update(body).digest();
  return parts.some(
    (part) => /^v1=[0-9a-f]{64}$/.test(part) && timingSafeEqual(Buffer.from(part.slice(3), 'hex'), expected),
  );
}
