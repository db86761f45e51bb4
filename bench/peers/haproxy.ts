import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer, PeerContext } from './peer.ts';

/**
 * HAProxy computing the published rule: the first four bytes of the md5 of the path's third segment, as a big-endian number,
 * modulo the number of pods. One thread, connections to the pods reused without restraint, no logs. A header says for whom the
 * request was forwarded, as Guildway's do. `be2dec` gives a decimal string, which `mod` reads.
 */
function configuration({ port, pods }: PeerContext): string {
  return `
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  option http-keep-alive
  http-reuse always
  option forwardfor
  timeout connect 1s
  timeout client 75s
  timeout server 10s
  timeout http-request 10s
frontend edge
  bind 127.0.0.1:${port}
  use_backend pod-%[path,field(4,/),digest(md5),bytes(0,4),be2dec(,4),mod(${pods.length})]
${pods.map((pod, ordinal) => `backend pod-${ordinal}\n  server gateway-${ordinal} 127.0.0.1:${pod}\n`).join('')}`;
}

function haproxy(id: string, title: string, upstream: Peer['upstream']): Peer {
  return {
    id,
    title,
    role: 'peer',
    routesByMd5: true,
    upstream,
    missing: () => (spawnSync('haproxy', ['-v']).status === 0 ? null : 'haproxy: not installed'),
    prepare(context) {
      const file = join(context.folder, 'haproxy.cfg');
      writeFileSync(file, configuration(context));
      return { command: 'haproxy', args: ['-db', '-f', file] };
    },
  };
}

export const HAPROXY: Peer = haproxy('haproxy', 'HAProxy, same md5', 'node');
export const HAPROXY_BEST: Peer = haproxy('haproxy-best', 'HAProxy, same md5; nginx as the pods', 'nginx');
