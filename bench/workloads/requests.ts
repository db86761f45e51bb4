import type { Workload } from '../harness/rounds.ts';
import { HAPROXY, HAPROXY_BARE, HAPROXY_BEST } from '../peers/haproxy.ts';
import { NGINX_HASH, NGINX_NJS, NGINX_NJS_BARE, NGINX_NJS_BEST } from '../peers/nginx.ts';
import {
  DIRECT,
  EXPRESS_FETCH,
  EXPRESS_INTERACTIONS,
  FASTIFY_INTERACTIONS,
  GUILDWAY,
  GUILDWAY_PLAIN,
  HELLO,
  HELLO_VERIFY,
  HTTP_PROXY,
  REPLY_FROM,
} from '../peers/node-peers.ts';

const CONNECTIONS = 64;
const GUILDS = 1_000;

/** The workloads, which are the same for all peers. Peers are in the order of the tables. */
export const REQUEST_WORKLOADS: readonly Workload[] = [
  {
    id: 'a',
    title: 'GET of a guild path, 1,000 guilds, small JSON',
    shots: { kind: 'guild-get', guilds: GUILDS, away: null },
    connections: CONNECTIONS,
    peers: [
      GUILDWAY,
      GUILDWAY_PLAIN,
      HAPROXY,
      HAPROXY_BARE,
      HAPROXY_BEST,
      NGINX_NJS,
      NGINX_NJS_BARE,
      NGINX_NJS_BEST,
      NGINX_HASH,
      REPLY_FROM,
      HTTP_PROXY,
      EXPRESS_FETCH,
      HELLO,
      DIRECT,
    ],
  },
  {
    id: 'b',
    title: 'signed interaction of 900 bytes',
    shots: { kind: 'interaction', guilds: GUILDS, away: null },
    connections: CONNECTIONS,
    peers: [GUILDWAY, GUILDWAY_PLAIN, FASTIFY_INTERACTIONS, EXPRESS_INTERACTIONS, HELLO_VERIFY, HELLO],
  },
  {
    id: 'c',
    title: '64 KiB streamed up and 64 KiB streamed back',
    shots: { kind: 'upload', guilds: GUILDS, away: null },
    connections: 16,
    peers: [GUILDWAY, HAPROXY, NGINX_NJS, REPLY_FROM, HTTP_PROXY, EXPRESS_FETCH, DIRECT],
  },
  {
    id: 'd',
    title: 'GET and POST mixed, one owner of three down',
    shots: { kind: 'mixed', guilds: GUILDS, away: 2 },
    connections: CONNECTIONS,
    peers: [GUILDWAY, HAPROXY, NGINX_NJS, REPLY_FROM, HTTP_PROXY, EXPRESS_FETCH],
  },
];
