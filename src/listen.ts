import type { Server } from 'node:net';
import { GuildwayError } from './errors.ts';

export interface ListenOptions {
  /** 0: any free port. */
  readonly port: number;
  /** Null: every address. */
  readonly host: string | null;
  /** The environment variable that sets the port, for the error message. */
  readonly variable: string;
}

/**
 * Resolves when the server listens.
 * @throws GuildwayError CONFIG_INVALID when the port or the address cannot be used
 */
export async function listen(server: Server, { port, host, variable }: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const why = explain(cause, port, host, variable);
      reject(why === null ? cause : new GuildwayError('CONFIG_INVALID', why, { cause }));
    };
    server.once('error', fail);
    server.listen(port, host ?? undefined, () => {
      server.off('error', fail);
      resolve();
    });
  });
}

function explain({ code }: NodeJS.ErrnoException, port: number, host: string | null, variable: string): string | null {
  switch (code) {
    case 'EADDRINUSE':
      return `${variable}: port ${port} is in use. End the process that uses it (find it with: lsof -i :${port}), or set ${variable} to another port`;
    case 'EACCES':
      return `${variable}: this user may not listen on port ${port}. Set ${variable} to a port from 1024 to 65535`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST: ${host} is no address of this machine. Set HOST to one of its addresses, or leave it out to listen on all of them`;
    default:
      return null;
  }
}
