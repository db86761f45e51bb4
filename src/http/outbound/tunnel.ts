import { type Duplex, Transform } from 'node:stream';
import { closeInTime } from '../../end-socket.ts';
import { closeFrame, FrameBoundaries } from './websocket-frames.ts';

/** A websocket between a client and the owner. Bytes pass both ways until either side ends. */
export interface Tunnel {
  /** Tells the client to reconnect to another pod. The client's close frame passes to the owner, which then ends the connection. */
  drain(): void;
}

/**
 * Connects a client and the owner. When one side ends, the other one is ended too.
 * @param clientHead the bytes that the client sent after its request
 * @param ownerHead the bytes that the owner sent after its response
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
      // Nothing may follow a close frame. Drops the owner's reply to the client's close frame.
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
  // The owner's last bytes, with its close code, are still on the way to the client.
  owner.once('close', () => {
    toClient.end();
    closeInTime(client);
  });
  // Otherwise an owner that does not end its side would keep both connections open.
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
