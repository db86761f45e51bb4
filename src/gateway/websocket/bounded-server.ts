import { WebSocket, WebSocketServer } from 'ws';

/** What may wait for one client that does not read, and for all of them. */
const MAX_BACKLOG = 1024 * 1024;
const MAX_TOTAL_BACKLOG = 64 * 1024 * 1024;

/**
 * A websocket server whose memory is bounded: by the size of a message it takes, and by what waits for clients that do not read.
 * A client beyond that is disconnected.
 * @param onSlowClient hears of it
 */
export function createBoundedServer(maxPayload: number, onSlowClient: () => void): WebSocketServer {
  let total = 0;

  class BoundedWebSocket extends WebSocket {
    /** What waited when this was last looked at: never less than what waits now. */
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
    // A subprotocol is what the bot's upgrade hook names, not the first that the client offers.
    handleProtocols: () => false,
  });
  server.on('connection', (websocket: BoundedWebSocket, { socket }) => {
    socket.on('drain', () => websocket.noteBacklog());
    websocket.once('close', () => websocket.forget());
  });
  return server;
}
