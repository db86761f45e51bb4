/** Interactions optimized for speed: Fastify, verification with node:crypto, and @fastify/reply-from to the gateway pod. */
import { createPublicKey, verify } from 'node:crypto';
import replyFrom from '@fastify/reply-from';
import Fastify from 'fastify';
import { getGatewayPodForGuild, pods, port, publicKey } from './shared.mjs';

// The fixed prefix of an Ed25519 public key in DER, which node:crypto needs.
const DER_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const key = createPublicKey({
  key: Buffer.concat([DER_PREFIX, Buffer.from(publicKey, 'hex')]),
  format: 'der',
  type: 'spki',
});

const app = Fastify();
app.register(replyFrom, { undici: { connections: 128, pipelining: 1 }, disableRequestLogging: true });
app.removeAllContentTypeParsers();
app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

app.post('/webhooks/discord', (request, reply) => {
  const message = Buffer.concat([Buffer.from(request.headers['x-signature-timestamp']), request.body]);
  const signature = Buffer.from(request.headers['x-signature-ed25519'], 'hex');
  if (!verify(null, message, key, signature)) return reply.code(401).send('invalid request signature');
  const { guild_id } = JSON.parse(request.body);
  const pod = guild_id === undefined ? 0 : getGatewayPodForGuild(guild_id);
  return reply.from(`${pods[pod]}/webhooks/discord`, { body: request.body });
});

await app.listen({ port, host: '127.0.0.1' });
