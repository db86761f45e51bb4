/** What the peers' servers share: their environment, and the published rule. */
import { createHash } from 'node:crypto';

export const port = Number(process.env.PORT);
/** URLs of the gateway pods by ordinal. */
export const pods = (process.env.PODS ?? '').split(',');
/** The application's public key in hex. */
export const publicKey = process.env.PUBLIC_KEY ?? '';

/** The published routing rule, as published. */
export function getGatewayPodForGuild(guildId) {
  const hash = createHash('md5').update(guildId).digest();
  return hash.readUInt32BE(0) % pods.length;
}

/** The body of the hello world floors: as long as what a gateway pod answers. */
export const HELLO = JSON.stringify({
  pod: 0,
  guild: { name: 'A guild of some size', members: 1234, warnings: 17, notes: 42 },
  busiest: ['general', 'announcements', 'off-topic', 'support', 'feedback'],
});
