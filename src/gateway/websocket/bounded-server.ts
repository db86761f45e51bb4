import { WebSocket, WebSocketServer } from 'ws';

/** Limits of unsent bytes: for one client, and for all clients. */
const MAX_BACKLOG = 1024 * 1024;
const MAX_TOTAL_BACKLOG = 64 * 1024 * 1024;

/**
 * A websocket server with bounded memory: it limits the size of messages and the bytes that wait for slow clients. A client
 * over the limit is disconnected.
 * @param onSlowClient called for each disconnect
 */
export function createBoundedServer(maxPayload: number, onSlowClient: () => void): WebSocketServer {
  let total = 0;

  class BoundedWebSocket extends WebSocket {
    /** The unsent bytes at the last check: an upper bound. */
    #backlog = 0;

    override send(data: Parameters<WebSocket['send']>[0], options?: unknown, done?: (error?: Error) => void): void {
      if (this.readyState !== WebSocket.OPEN) return;
      super.send(data, (options ?? {}) as Parameters<WebSocket['send']>[1], done);
      this.noteBacklog();
      if (this.#backlog <= MAX_BACKLOG && total <= MAX_TOTAL_BACKLOG) return;
      onSlowClient();
      this.terminate();
    }

    noteBacklog(): void {
      this.#note(this.bufferedAmount);
    }

    forget(): void {
      this.#note(0);
    }

    #note(bytes: number): void {
      total += bytes - this.#backlog;
      this.#backlog = bytes;
    }
  }

  const server = new WebSocketServer({
    noServer: true,
    maxPayload,
    WebSocket: BoundedWebSocket,
    // The bot's upgrade hook chooses the subprotocol, not the order of the client's offers.
    handleProtocols: () => false,
  });
  server.on('connection', (websocket: BoundedWebSocket, { socket }) => {
    socket.on('drain', () => websocket.noteBacklog());
    websocket.once('close', () => websocket.forget());
  });
  return server;
}
