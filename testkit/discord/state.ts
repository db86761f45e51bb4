import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createKeyPair, type KeyPair } from './keys.ts';
import { createToken, resolveOptions } from './options.ts';

/** The state that survives a restart of the simulator: the application's identity and the guilds. */
export interface SimulatorIdentity {
  readonly applicationId: string;
  readonly token: string;
  readonly keyPair: KeyPair;
  readonly seed: number;
  readonly guilds: number;
}

/** Creates an identity with random keys and token. The application id follows from the seed. */
function createIdentity(options: { seed: number; guilds: number }): SimulatorIdentity {
  const { applicationId } = resolveOptions({ seed: options.seed, guilds: 0 });
  const token = createToken(applicationId, String(randomInt(2 ** 47)));
  return { applicationId, token, keyPair: createKeyPair(), seed: options.seed, guilds: options.guilds };
}

/**
 * Reads the identity from a file. Creates the file if it is missing, readable by its owner only.
 * @throws Error if the file exists but is not an identity
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
  if (identity === null)
    throw new Error(`${path} is not a state file of the simulator: remove it or choose another path`);
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
