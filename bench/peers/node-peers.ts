import { fileURLToPath } from 'node:url';
import { routingEnvironment } from '../harness/routing.ts';
import { hasPackages } from '../setup.ts';
import type { Peer, PeerContext } from './peer.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** A peer in the form of a small Node program in `servers/`. */
function nodePeer(
  id: string,
  title: string,
  role: Peer['role'],
  options: { file: string; packages?: readonly string[] },
): Peer {
  return {
    id,
    title,
    role,
    routes: role === 'peer' ? 'md5' : 'none',
    upstream: 'node',
    missing() {
      const absent = (options.packages ?? []).filter((name) => !hasPackages(name));
      return absent.length === 0 ? null : `${absent.join(', ')}: not installed`;
    },
    prepare: ({ port, pods, publicKey }) => ({
      command: process.execPath,
      args: [path(`./servers/${options.file}`)],
      env: {
        NODE_ENV: 'production',
        PORT: String(port),
        PODS: pods.map((pod) => `http://127.0.0.1:${pod}`).join(','),
        PUBLIC_KEY: publicKey,
      },
    }),
  };
}

/** Guildway's HTTP service as shipped, with all features. */
function guildway(id: string, title: string, link: 'link' | 'plain'): Peer {
  return {
    id,
    title,
    role: link === 'link' ? 'ours' : 'peer',
    routes: 'configured',
    upstream: 'node',
    startedBefore: true,
    missing: () => null,
    prepare: (context) => ({
      command: process.execPath,
      args: [path('../../src/main.ts')],
      env: guildwayEnvironment(context, link),
    }),
  };
}

/** The environment of an HTTP pod in front of the benchmark's gateway pods. Other variables have their defaults. */
export function guildwayEnvironment(context: PeerContext, link: 'link' | 'plain'): Record<string, string> {
  return {
    NODE_ENV: 'production',
    // The compile cache avoids the type stripper and its memory after the first start. The young generation is small.
    NODE_COMPILE_CACHE: context.cache,
    NODE_OPTIONS: '--max-semi-space-size=8',
    SERVICE_MODE: 'http',
    HOST: '127.0.0.1',
    PORT: String(context.port),
    ADMIN_PORT: '0',
    POD_NAME: 'http-0',
    ...routingEnvironment(context.topology),
    GATEWAY_URL_TEMPLATE: `http://127.0.0.1:{${context.pods[0]}+ordinal}`,
    DISCORD_PUBLIC_KEY: context.publicKey,
    ...(link === 'link' ? { LINK_SECRET: context.linkSecret } : {}),
  };
}

export const GUILDWAY: Peer = guildway('guildway', 'Guildway', 'link');
export const GUILDWAY_PLAIN: Peer = guildway('guildway-plain', 'Guildway, plain HTTP to the pods', 'plain');
export const REPLY_FROM: Peer = nodePeer('reply-from', '@fastify/reply-from', 'peer', {
  file: 'reply-from.mjs',
  packages: ['fastify', '@fastify/reply-from'],
});
export const HTTP_PROXY: Peer = nodePeer('http-proxy', 'http-proxy', 'peer', {
  file: 'http-proxy.mjs',
  packages: ['http-proxy'],
});
export const EXPRESS_FETCH: Peer = nodePeer('express-fetch', 'Express + md5 + fetch, as published', 'peer', {
  file: 'express-fetch.mjs',
  packages: ['express'],
});
export const EXPRESS_INTERACTIONS: Peer = nodePeer(
  'express-interactions',
  'Express + discord-interactions + fetch',
  'peer',
  { file: 'express-interactions.mjs', packages: ['express', 'discord-interactions'] },
);
export const FASTIFY_INTERACTIONS: Peer = nodePeer(
  'fastify-interactions',
  'Fastify + node:crypto + reply-from',
  'peer',
  { file: 'fastify-interactions.mjs', packages: ['fastify', '@fastify/reply-from'] },
);
export const HELLO: Peer = nodePeer('hello', 'node:http hello world', 'floor', { file: 'hello.mjs' });
export const HELLO_VERIFY: Peer = nodePeer('hello-verify', 'sodium verify + node:http hello world', 'floor', {
  file: 'hello-verify.mjs',
});

/** A gateway pod of the benchmark without a proxy. Here it is the process under test. */
export const DIRECT: Peer = {
  id: 'direct',
  title: 'straight to a gateway pod',
  role: 'floor',
  routes: 'none',
  upstream: 'node',
  missing: () => null,
  prepare: ({ port, linkSecret, topology }) => ({
    command: process.execPath,
    args: [path('../upstream/main.ts'), String(port), '1', linkSecret, topology.strategy],
  }),
};
