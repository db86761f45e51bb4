/** http-proxy with a keep-alive agent, and the published rule. */
import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';
import { getGatewayPodForGuild, pods, port } from './shared.mjs';

const proxy = httpProxy.createProxyServer({ agent: new Agent({ keepAlive: true, maxSockets: 128 }), xfwd: true });

createServer((request, response) => {
  const guildId = /^\/api\/guilds\/(\d+)\//.exec(request.url)?.[1];
  if (guildId === undefined) {
    response.writeHead(404).end();
    return;
  }
  proxy.web(request, response, { target: pods[getGatewayPodForGuild(guildId)] }, () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(503).end();
  });
}).listen(port, '127.0.0.1');
