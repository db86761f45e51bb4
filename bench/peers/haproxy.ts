import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer, PeerContext } from './peer.ts';

/** The work of a configuration besides routing. */
type Work = 'same' | 'bare';

/** HAProxy's equivalent of the work that Guildway's HTTP pod does besides routing. */
const SAME_WORK = `
  http-request deny deny_status 400 unless { path,field(4,/) -m reg ^[1-9][0-9]{0,19}$ }
  http-request del-header guildway- -m beg
  http-request set-header x-forwarded-proto http
  http-request set-header x-forwarded-host %[req.hdr(host)]
  option forwardfor
  unique-id-format %Ts%{+X}o-%pid-%rt
  unique-id-header guildway-request-id
  http-response set-header guildway-http-pod edge-0
  http-response set-header guildway-request-id %[unique-id]`;

/**
 * HAProxy with the published rule: the first four bytes of the md5 of the path's third segment, as a big-endian number, modulo the
 * number of pods. One thread, unrestricted reuse of connections to the pods, no logs. `be2dec` returns a decimal string, which `mod`
 * reads.
 */
function configuration({ port, pods }: PeerContext, work: Work): string {
  const named = (ordinal: number): string =>
    work === 'same' ? `  http-response set-header guildway-pod ${ordinal}\n` : '';
  return `
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 1s
  timeout client 75s
  timeout server 10s
  timeout http-request 10s
frontend edge
  bind 127.0.0.1:${port}${work === 'same' ? SAME_WORK : ''}
  use_backend pod-%[path,field(4,/),digest(md5),bytes(0,4),be2dec(,4),mod(${pods.length})]
${pods.map((pod, ordinal) => `backend pod-${ordinal}\n${named(ordinal)}  server gateway-${ordinal} 127.0.0.1:${pod}\n`).join('')}`;
}

function haproxy(id: string, title: string, upstream: Peer['upstream'], work: Work): Peer {
  return {
    id,
    title,
    role: 'peer',
    routes: 'md5',
    upstream,
    missing: () => (spawnSync('haproxy', ['-v']).status === 0 ? null : 'haproxy: not installed'),
    prepare(context) {
      const file = join(context.folder, 'haproxy.cfg');
      writeFileSync(file, configuration(context, work));
      return { command: 'haproxy', args: ['-db', '-f', file] };
    },
  };
}

export const HAPROXY: Peer = haproxy('haproxy', 'HAProxy, same md5', 'node', 'same');
/** Only routes: no request id, no validation, no headers. */
export const HAPROXY_BARE: Peer = haproxy('haproxy-bare', 'HAProxy, same md5, only routing', 'node', 'bare');
/** Also with faster pods than Node can be. */
export const HAPROXY_BEST: Peer = haproxy('haproxy-best', 'HAProxy, only routing; nginx as the pods', 'nginx', 'bare');
