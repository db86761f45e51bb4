/** Floor: node:http that reads a body, verifies its Ed25519 signature with libsodium, and returns hello world. */
import { createServer } from 'node:http';
import sodium from 'sodium-native';
import { HELLO, port, publicKey } from './shared.mjs';

const key = Buffer.from(publicKey, 'hex');
const headers = { 'content-type': 'application/json', 'content-length': HELLO.length };
createServer((request, response) => {
  const chunks = [Buffer.from(request.headers['x-signature-timestamp'])];
  const signature = Buffer.from(request.headers['x-signature-ed25519'], 'hex');
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const genuine = sodium.crypto_sign_verify_detached(signature, Buffer.concat(chunks), key);
    response.writeHead(genuine ? 200 : 401, headers);
    response.end(HELLO);
  });
}).listen(port, '127.0.0.1');
