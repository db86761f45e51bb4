/** The environment and the published rule that the peers' servers share. */
import { createHash } from 'node:crypto';

export const port = Number(process.env.PORT);
/** URLs of the gateway pods by ordinal. */
export const pods = (process.env.PODS ?? '').split(',');
/** The application's public key in hex. */
export const publicKey = process.env.PUBLIC_KEY ?? '';

/** The published routing rule, verbatim. */
export function getGatewayPodForGuild(guildId) {
  const hash = createHash('md5').update(guildId).digest();
  return hash.readUInt32BE(0) % pods.length;
}

/** The body of the hello world floors, with the length of a gateway pod's response. */
export const HELLO = JSON.stringify({
  pod: 0,
  guild: { name: 'A guild of some size', members: 1234, warnings: 17, notes: 42 },
  busiest: ['general', 'announcements', 'off-topic', 'support', 'feedback'],
});
