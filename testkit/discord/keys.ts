import { createHash, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';

/** The functions of sodium-native that this module uses. The package has no types. */
interface Sodium {
  readonly crypto_sign_PUBLICKEYBYTES: number;
  readonly crypto_sign_SECRETKEYBYTES: number;
  readonly crypto_sign_BYTES: number;
  crypto_sign_seed_keypair(publicKey: Buffer, secretKey: Buffer, seed: Buffer): void;
  crypto_sign_detached(signature: Buffer, message: Buffer, secretKey: Buffer): void;
}

const sodium = createRequire(import.meta.url)('sodium-native') as Sodium;

/** An Ed25519 key pair. Both keys are hex, like the public key in Discord's developer portal. */
export interface KeyPair {
  readonly publicKey: string;
  /** The 32-byte seed. */
  readonly privateKey: string;
}

/** Creates a key pair, deterministic with a seed text and random without one. */
export function createKeyPair(seedText?: string): KeyPair {
  const seed = seedText === undefined ? randomBytes(32) : createHash('sha256').update(seedText).digest();
  const publicKey = Buffer.alloc(sodium.crypto_sign_PUBLICKEYBYTES);
  const secretKey = Buffer.alloc(sodium.crypto_sign_SECRETKEYBYTES);
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, seed);
  return { publicKey: publicKey.toString('hex'), privateKey: seed.toString('hex') };
}

export interface SignatureHeaders {
  readonly 'x-signature-ed25519': string;
  readonly 'x-signature-timestamp': string;
}

/** Signs webhooks as Discord does: Ed25519 over the timestamp's characters followed by the raw body. */
export class WebhookSigner {
  readonly #secretKey = Buffer.alloc(sodium.crypto_sign_SECRETKEYBYTES);
  readonly #signature = Buffer.alloc(sodium.crypto_sign_BYTES);

  constructor(keyPair: KeyPair) {
    const publicKey = Buffer.alloc(sodium.crypto_sign_PUBLICKEYBYTES);
    sodium.crypto_sign_seed_keypair(publicKey, this.#secretKey, Buffer.from(keyPair.privateKey, 'hex'));
    if (publicKey.toString('hex') !== keyPair.publicKey)
      throw new Error('the private key does not match the public key: give both of one pair');
  }

  /** @param unixMs the time for the timestamp header */
  sign(body: Buffer, unixMs: number): SignatureHeaders {
    const timestamp = String(Math.floor(unixMs / 1000));
    sodium.crypto_sign_detached(this.#signature, Buffer.concat([Buffer.from(timestamp), body]), this.#secretKey);
    return { 'x-signature-ed25519': this.#signature.toString('hex'), 'x-signature-timestamp': timestamp };
  }
}
