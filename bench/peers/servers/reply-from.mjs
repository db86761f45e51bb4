/** Fastify's proxy: @fastify/reply-from with its undici pool, and the published rule. Logging is off. */
import replyFrom from '@fastify/reply-from';
import Fastify from 'fastify';
import { getGatewayPodForGuild, pods, port } from './shared.mjs';

const app = Fastify();
app.register(replyFrom, { undici: { connections: 128, pipelining: 1 }, disableRequestLogging: true });
// Forwards bodies as streams.
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', (_request, payload, done) => done(null, payload));

app.all('/api/guilds/:guildId/*', (request, reply) =>
  reply.from(pods[getGatewayPodForGuild(request.params.guildId)] + request.url),
);

await app.listen({ port, host: '127.0.0.1' });
