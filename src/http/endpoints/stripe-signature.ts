import { createHmac, timingSafeEqual } from 'node:crypto';
import { asWallTime, nearestNow, type WallTime } from '../../time.ts';
import { type RefusalLog, SILENT } from './discord-signature.ts';

/** Stripe's default tolerance. */
const TOLERANCE_S = 300;

/**
 * Verifies a `Stripe-Signature` header: `t=<seconds>,v1=<hmac-sha256 of "t.body">`. During the rotation of a secret there are several
 * v1. Source: Stripe's documentation, "Verify webhook signatures manually".
 */
export function verifyStripe(
  secret: string,
  header: unknown,
  body: Buffer,
  now: (signedAt: WallTime) => WallTime = nearestNow,
  log: RefusalLog = SILENT,
): boolean {
  const parts =
    typeof header === 'string' && header.length <= 2_000 ? header.split(',').map((part) => part.trim()) : [];
  const time = parts.find((part) => part.startsWith('t='))?.slice(2) ?? '';
  const signatures = parts.filter((part) => /^v1=[0-9a-f]{64}$/.test(part));
  if (!/^\d{1,12}$/.test(time) || signatures.length === 0) {
    log.info({}, "refused: no Stripe signature, or a malformed one; it is not Stripe's request");
    return false;
  }
  const signedAt = asWallTime(Number(time) * 1_000);
  const offSeconds = (now(signedAt) - signedAt) / 1_000;
  if (Math.abs(offSeconds) > TOLERANCE_S) {
    log.warn(
      { secondsBehindThisClock: Math.round(offSeconds) },
      "refused: a Stripe signature's time is too far from this pod's clock; set the clock, unless an old request was sent again",
    );
    return false;
  }
  const expected = createHmac('sha256', secret).update(`${time}.`).update(body).digest();
  if (signatures.some((part) => timingSafeEqual(Buffer.from(part.slice(3), 'hex'), expected))) return true;
  log.warn({}, "refused: a Stripe signature is wrong; is STRIPE_WEBHOOK_SECRET this endpoint's?");
  return false;
}
