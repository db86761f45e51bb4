import type { IncomingHttpHeaders } from 'node:http';
import { createRequire } from 'node:module';

interface Sodium {
  crypto_sign_verify_detached(signature: Buffer, message: Buffer, publicKey: Buffer): boolean;
}
const sodium = createRequire(import.meta.url)('sodium-native') as Sodium;

/**
 * Plain Ed25519 (RFC 8032), as strict as libsodium: non-canonical encodings and points of small order are refused.
 * @param signature 128 hexadecimal digits; anything else is wrong
 * @param publicKey 32 bytes
 */
export function verifyEd25519(signature: string, message: Buffer, publicKey: Buffer): boolean {
  // Decoding ends at the first character that is no digit, so 64 bytes of 128 characters were all digits.
  const bytes = Buffer.from(signature, 'hex');
  if (signature.length !== 128 || bytes.length !== 64) return false;
  return sodium.crypto_sign_verify_detached(bytes, message, publicKey);
}

/** Verifies what Discord signed: Ed25519 over the timestamp header and the raw body. */
export class SignatureVerifier {
  readonly #publicKey: Buffer | null;
  readonly #maxAgeMs: number;
  readonly #now: () => number;

  /**
   * @param publicKey 64 hexadecimal digits; null refuses everything
   * @param maxAgeMs how far the timestamp may be from this clock; 0 for any
   */
  constructor(publicKey: string | null, maxAgeMs: number, now: () => number = Date.now) {
    this.#publicKey = publicKey === null ? null : Buffer.from(publicKey, 'hex');
    this.#maxAgeMs = maxAgeMs;
    this.#now = now;
  }

  /** Whether the headers can be right at all: cheap, and done before a body is read. */
  plausible(headers: IncomingHttpHeaders): boolean {
    const signature = headers['x-signature-ed25519'];
    const timestamp = headers['x-signature-timestamp'];
    // A header that was sent twice is joined by a comma, which neither form allows.
    if (typeof signature !== 'string' || !/^[0-9a-fA-F]{128}$/.test(signature)) return false;
    if (typeof timestamp !== 'string' || !/^[0-9]{1,15}$/.test(timestamp)) return false;
    if (this.#publicKey === null) return false;
    return this.#maxAgeMs === 0 || Math.abs(this.#now() - Number(timestamp) * 1_000) <= this.#maxAgeMs;
  }

  /** Verifies the signature of a body whose headers are {@link plausible}. Never throws. */
  verify(headers: IncomingHttpHeaders, body: Buffer): boolean {
    if (this.#publicKey === null || !this.plausible(headers)) return false;
    const timestamp = headers['x-signature-timestamp'] as string;
    const message = Buffer.allocUnsafe(timestamp.length + body.length);
    message.write(timestamp, 0, 'latin1');
    body.copy(message, timestamp.length);
    return verifyEd25519(headers['x-signature-ed25519'] as string, message, this.#publicKey);
  }
}
