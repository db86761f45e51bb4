import { type Duplex, Transform } from 'node:stream';
import { closeInTime } from '../../end-socket.ts';
import { closeFrame, FrameBoundaries } from './websocket-frames.ts';

/** A websocket between a client and its owner: bytes pass both ways until either side ends. */
export interface Tunnel {
  /** Tells the client to connect again, to another pod. What it answers passes to the owner, which then ends the connection. */
  drain(): void;
}

/**
 * Joins a client and its owner; when one side ends, so does the other.
 * @param clientHead what the client has sent after its request
 * @param ownerHead what the owner has sent after its response
 */
export function openTunnel(client: Duplex, clientHead: Buffer, owner: Duplex, ownerHead: Buffer): Tunnel {
  const frames = new FrameBoundaries();
  let state: 'open' | 'draining' | 'told' = 'open';
  const tell = (): void => {
    state = 'told';
    toClient.push(closeFrame());
  };
  const toClient = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      // Nothing follows a close frame. The owner's answer to the client's close frame is dropped.
      if (state === 'told') done();
      else if (state === 'open') {
        frames.take(chunk, 'end');
        done(null, chunk);
      } else {
        this.push(chunk.subarray(0, frames.take(chunk, 'first')));
        if (frames.between) tell();
        done();
      }
    },
  });
  if (clientHead.length > 0) owner.write(clientHead);
  if (ownerHead.length > 0) toClient.write(ownerHead);
  owner.on('error', () => client.destroy());
  // What the owner said last, its close code, is still on its way to the client.
  owner.once('close', () => {
    toClient.end();
    closeInTime(client);
  });
  // An owner that does not end its side, too, would keep both connections.
  client.once('end', () => closeInTime(owner));
  owner.once('end', () => closeInTime(owner));
  client.once('close', () => owner.destroy());
  client.pipe(owner);
  owner.pipe(toClient).pipe(client);
  return {
    drain() {
      if (state !== 'open') return;
      state = 'draining';
      if (frames.between && toClient.writableLength === 0) tell();
    },
  };
}
