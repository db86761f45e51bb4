/**
 * The floor of workload (b): only the verification of an Ed25519 signature over 900 bytes, in this process. Ours also decodes the
 * headers and joins timestamp and body, as for each interaction.
 */
import { createPublicKey, verify } from 'node:crypto';
import { createRequire } from 'node:module';
import { SignatureVerifier } from '../../src/http/endpoints/discord-signature.ts';
import { publicKeyOf, signedInteractions } from '../generator/shots.ts';
import { type Contender, runCalls } from '../harness/calls.ts';
import { SEED } from '../harness/rounds.ts';
import type { Table } from '../harness/summary.ts';

interface Sodium {
  crypto_sign_verify_detached(signature: Buffer, message: Buffer, publicKey: Buffer): boolean;
}
interface DiscordInteractions {
  verifyKey(body: Buffer, signature: string, timestamp: string, publicKey: string): Promise<boolean>;
}

/** The fixed prefix of an Ed25519 public key in DER. The 32 bytes of the key follow. */
const PUBLIC_DER = '302a300506032b6570032100';

/** @param callsPerRound the number of verifications in a round */
export async function runVerification(
  rounds: number,
  callsPerRound: number,
  progress: (line: string) => void,
): Promise<Table> {
  const require = createRequire(import.meta.url);
  const sodium = require('sodium-native') as Sodium;
  const hex = publicKeyOf(SEED);
  const key = Buffer.from(hex, 'hex');
  const keyObject = createPublicKey({ key: Buffer.from(PUBLIC_DER + hex, 'hex'), format: 'der', type: 'spki' });
  const signed = signedInteractions(SEED, Math.min(callsPerRound, 1_000)).map(({ body, signature, timestamp }) => ({
    ...{ body, signature, timestamp },
    bytes: Buffer.from(signature, 'hex'),
    message: Buffer.concat([Buffer.from(timestamp), body]),
    fields: ['x-signature-ed25519', signature, 'x-signature-timestamp', timestamp],
  }));
  type Signed = (typeof signed)[number];

  const contender = (
    id: string,
    title: string,
    role: Contender['role'],
    genuine: (one: Signed) => boolean | Promise<boolean>,
  ): Contender => ({
    ...{ id, title, role },
    against: role === 'ours' ? null : 'ours',
    async measure() {
      const before = process.cpuUsage();
      for (let i = 0; i < callsPerRound; i++) {
        const answer = genuine(signed[i % signed.length] as Signed);
        if (!(typeof answer === 'boolean' ? answer : await answer))
          throw new Error(`${title} rejects a valid signature`);
      }
      const { user, system } = process.cpuUsage(before);
      return (user + system) / callsPerRound;
    },
  });

  const verifier = new SignatureVerifier(hex, 0);
  const contenders = [
    contender('ours', 'Guildway', 'ours', async ({ fields, body }) => {
      const claim = verifier.claimOf(fields);
      return claim !== null && (await verifier.verify(claim, body));
    }),
    contender('sodium', 'libsodium alone', 'floor', ({ bytes, message }) =>
      sodium.crypto_sign_verify_detached(bytes, message, key),
    ),
    contender('node-crypto', 'node:crypto alone', 'floor', ({ bytes, message }) =>
      verify(null, message, keyObject, bytes),
    ),
  ];
  const skipped: string[] = [];
  try {
    const { verifyKey } = require('discord-interactions') as DiscordInteractions;
    contenders.push(
      contender('discord-interactions', 'discord-interactions, verifyKey', 'peer', ({ body, signature, timestamp }) =>
        verifyKey(body, signature, timestamp, hex),
      ),
    );
  } catch {
    skipped.push('discord-interactions (not installed)');
  }
  return runCalls(
    {
      id: 'v',
      title: 'only the verification of a signature over 900 bytes',
      note: `${callsPerRound.toLocaleString('en-US')} calls of each in a round, in one process`,
      unit: 'µs CPU per call',
      unitsPerSecond: 1e6,
      skipped,
    },
    contenders,
    rounds,
    progress,
  );
}
