import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends bytes on a new connection and returns all bytes until it is closed. */
export async function raw(bytes: string, port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1');
  });
  socket.write(bytes, 'latin1');
  await once(socket, 'close');
  return answer;
}
