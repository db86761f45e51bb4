/** Floor: node:http that reads the body, if there is one, and returns hello world. */
import { createServer } from 'node:http';
import { HELLO, port } from './shared.mjs';

const headers = { 'content-type': 'application/json', 'content-length': HELLO.length };
createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, headers);
    response.end(HELLO);
    return;
  }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    response.writeHead(200, headers);
    response.end(HELLO);
  });
}).listen(port, '127.0.0.1');
