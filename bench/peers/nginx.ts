import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Peer, PeerCommand, PeerContext } from './peer.ts';

const NJS = '/usr/lib/nginx/modules/ngx_http_js_module.so';

/** The common start of all configurations: one worker, no logs, files in a separate folder. */
function frame(folder: string, modules: string, http: string): PeerCommand {
  for (const name of ['body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']) mkdirSync(join(folder, name), { recursive: true });
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `${modules}
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
${http}
}
`,
  );
  return { command: 'nginx', args: ['-c', file, '-p', folder, '-e', 'stderr'] };
}

/** The work of a configuration besides routing. */
type Work = 'same' | 'bare';

/** nginx's equivalent of the work that Guildway's HTTP pod does besides routing. */
const SAME_WORK = `
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto http;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header guildway-request-id $request_id;
      proxy_set_header guildway-deferred "";
      add_header guildway-request-id $request_id;
      add_header guildway-http-pod edge-0;`;

/** A proxy in front of the pods. Bodies stream both ways, as in the other peers. Connections to the pods persist. */
function proxyServer(port: number, target: string, work: Work): string {
  return `
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 8m;
    location ~ ^/api/guilds/(?<guild>[1-9][0-9]*)/ {
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_request_buffering off;${work === 'same' ? SAME_WORK : ''}
      proxy_pass http://${target};
    }
  }`;
}

/** The published rule in njs. */
const RULE = `
import crypto from 'crypto';
function pod(r) {
  return crypto.createHash('md5').update(r.variables.guild).digest().readUInt32BE(0) % Number(r.variables.pods);
}
export default { pod };
`;

function njs({ port, pods, folder }: PeerContext, work: Work): PeerCommand {
  writeFileSync(join(folder, 'rule.js'), RULE);
  return frame(
    folder,
    `load_module ${NJS};`,
    `
  js_path ${folder};
  js_import rule from rule.js;
  js_set $pod rule.pod;
  map $host $pods { default ${pods.length}; }
${pods.map((pod, i) => `  upstream pod-${i} { server 127.0.0.1:${pod} max_fails=0; keepalive 128; keepalive_requests 1000000000; }`).join('\n')}
${proxyServer(port, 'pod-$pod', work)}`,
  );
}

function hash({ port, pods, folder }: PeerContext): PeerCommand {
  const servers = pods.map((pod) => `server 127.0.0.1:${pod} max_fails=0;`).join(' ');
  return frame(
    folder,
    '',
    `
  upstream pods { hash $guild; ${servers} keepalive 128; keepalive_requests 1000000000; }
${proxyServer(port, 'pods', 'bare')}`,
  );
}

const installed = (): string | null => (spawnSync('nginx', ['-v']).status === 0 ? null : 'nginx: not installed');

function nginx(id: string, title: string, upstream: Peer['upstream'], work: Work): Peer {
  return {
    id,
    title,
    role: 'peer',
    routes: 'md5',
    upstream,
    missing: () => installed() ?? (existsSync(NJS) ? null : 'libnginx-mod-http-js: not installed'),
    prepare: (context) => njs(context, work),
  };
}

export const NGINX_NJS: Peer = nginx('nginx-njs', 'nginx + njs, same md5', 'node', 'same');
export const NGINX_NJS_BARE: Peer = nginx('nginx-njs-bare', 'nginx + njs, same md5, only routing', 'node', 'bare');
export const NGINX_NJS_BEST: Peer = nginx(
  'nginx-njs-best',
  'nginx + njs, only routing; nginx as the pods',
  'nginx',
  'bare',
);
export const NGINX_HASH: Peer = {
  id: 'nginx-hash',
  title: 'nginx hash (another rule), only routing',
  role: 'peer',
  routes: 'none',
  upstream: 'node',
  missing: installed,
  prepare: hash,
};

/** Pods in nginx, which return the same JSON for every request and use almost no CPU. */
export function nginxPods(ports: readonly number[], folder: string): PeerCommand {
  const servers = ports.map((port, ordinal) => {
    const body = JSON.stringify({
      pod: ordinal,
      guild: { name: 'A guild of some size', members: 1234, warnings: 17, notes: 42 },
      busiest: ['general', 'announcements', 'off-topic', 'support', 'feedback'],
    });
    return `  server { listen 127.0.0.1:${port}; default_type application/json; add_header guildway-pod ${ordinal}; return 200 '${body}'; }`;
  });
  return frame(folder, '', servers.join('\n'));
}
