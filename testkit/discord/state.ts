import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createKeyPair, type KeyPair } from './keys.ts';
import { createToken, resolveOptions } from './options.ts';

/** What has to stay the same when a simulator is started again: who the application is, and which guilds there are. */
export interface SimulatorIdentity {
  readonly applicationId: string;
  readonly token: string;
  readonly keyPair: KeyPair;
  readonly seed: number;
  readonly guilds: number;
}

/** Makes a new identity: keys and token at random, the application's id from the seed. */
function createIdentity(options: { seed: number; guilds: number }): SimulatorIdentity {
  const { applicationId } = resolveOptions({ seed: options.seed, guilds: 0 });
  const token = createToken(applicationId, String(randomInt(2 ** 47)));
  return { applicationId, token, keyPair: createKeyPair(), seed: options.seed, guilds: options.guilds };
}

/**
 * Reads the identity from a file, or writes a new one to it, readable for its owner only.
 * @throws Error when the file is there and is not an identity
 */
export function loadIdentity(path: string, options: { seed: number; guilds: number }): SimulatorIdentity {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const identity = createIdentity(options);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify(identity, null, 2)}\n`, { mode: 0o600 });
    return identity;
  }
  const identity = parseIdentity(text);
  if (identity === null) throw new Error(`${path} is not the state of a simulator; remove it to start over`);
  return identity;
}

function parseIdentity(text: string): SimulatorIdentity | null {
  try {
    const value = JSON.parse(text) as SimulatorIdentity;
    const { applicationId, token, keyPair, seed, guilds } = value;
    const complete =
      typeof applicationId === 'string' &&
      typeof token === 'string' &&
      /^[0-9a-f]{64}$/.test(keyPair.publicKey) &&
      /^[0-9a-f]{64}$/.test(keyPair.privateKey) &&
      Number.isInteger(seed) &&
      Number.isInteger(guilds);
    return complete ? value : null;
  } catch {
    return null;
  }
}
