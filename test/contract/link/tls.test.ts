// An attacker at a pod's address can relay a proof. With https URLs the certificate prevents that before the link sends
// anything.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { createServer, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { echo, get, startClient, startPod } from '../../support/link.ts';

const pem = (name: string): string => readFileSync(new URL(`../../vectors/tls/${name}.pem`, import.meta.url), 'utf8');
/** Self-signed, for the name `localhost` only. */
const certificate = pem('certificate');

/** Forwards every byte to a pod, like a sidecar that terminates TLS or an attacker who relays the pod's proof. */
async function startRelay(podUrl: string): Promise<{ port: number; passed: () => number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  let passed = 0;
  const server = createServer({ key: pem('key'), cert: certificate }, (socket) => {
    const pod = connect(Number(new URL(podUrl).port), '127.0.0.1');
    for (const end of [socket, pod]) {
      sockets.add(end);
      end.on('error', () => {});
    }
    socket.on('data', (chunk: Buffer) => {
      passed += chunk.length;
    });
    socket.pipe(pod).pipe(socket);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    passed: () => passed,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test('over https a relay gets nothing: its certificate is untrusted or has the wrong name', async () => {
  await using pod = await startPod(echo);
  await using relay = await startRelay(pod.url);
  {
    using client = startClient(`https://localhost:${relay.port}`);
    await assert.rejects(client.connect(), { code: 'LINK_UNAVAILABLE' });
  }
  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, certificate]);
  try {
    using client = startClient(`https://127.0.0.1:${relay.port}`);
    await assert.rejects(client.connect(), { code: 'LINK_UNAVAILABLE' });
    assert.equal(relay.passed(), 0);
    using own = startClient(`https://localhost:${relay.port}`);
    assert.equal((await own.request(get('/x'), 5_000)).status, 200);
  } finally {
    setDefaultCACertificates(trusted);
  }
});
