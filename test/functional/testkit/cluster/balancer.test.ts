import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { startBalancer } from '../../../../testkit/cluster/balancer.ts';

async function target(name: string): Promise<Server & { port: number }> {
  const server = createServer((_, response) => response.setHeader('connection', 'close').end(name));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}

const ask = async (port: number): Promise<string> => (await fetch(`http://127.0.0.1:${port}`)).text();

test('connections go to the targets in turn, past one that refuses, and a busy port is an error', async () => {
  const [a, b] = [await target('a'), await target('b')];
  const balancer = await startBalancer({ port: 0, host: '127.0.0.1' });
  balancer.targets = [a, b].map(({ port }) => ({ host: '127.0.0.1', port }));
  const answers = new Set([await ask(balancer.port), await ask(balancer.port)]);
  assert.deepEqual([...answers].sort(), ['a', 'b']);

  await new Promise((resolve) => a.close(resolve));
  for (let i = 0; i < 4; i++) assert.equal(await ask(balancer.port), 'b');

  balancer.targets = [];
  await assert.rejects(ask(balancer.port));
  await assert.rejects(startBalancer({ port: balancer.port, host: '127.0.0.1' }), { code: 'EADDRINUSE' });
  await balancer.close();
  b.close();
});
