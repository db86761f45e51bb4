import { constants, createDeflate, createZstdCompress } from 'node:zlib';

/** Transport compression of Discord's gateway, as a library asks for it in its URL. Null: none, or one that is not known. */
export type Compression = 'zlib-stream' | 'zstd-stream' | null;

export const compressionOf = (asked: string | null): Compression =>
  asked === 'zlib-stream' || asked === 'zstd-stream' ? asked : null;

/** Turns the texts of one connection into the messages of one compressed stream. */
export interface Compressor {
  write(text: string): void;
  close(): void;
}

/**
 * One stream for the whole connection. Each text ends with a flush, so that the client can read it at once.
 * @param onMessage gets each message, in order
 */
export function createCompressor(
  kind: NonNullable<Compression>,
  onMessage: (message: Buffer) => void,
  onError: (error: Error) => void,
): Compressor {
  const stream =
    kind === 'zlib-stream'
      ? createDeflate({ flush: constants.Z_SYNC_FLUSH })
      : createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  const waiting: string[] = [];
  let chunks: Buffer[] = [];
  let busy = false;
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', onError);
  // One text at a time, so that each message holds one text whatever the sizes of the chunks.
  const next = (): void => {
    const text = waiting.shift();
    busy = text !== undefined;
    if (text === undefined) return;
    stream.write(text);
    stream.flush(kind === 'zlib-stream' ? constants.Z_SYNC_FLUSH : constants.ZSTD_e_flush, () => {
      onMessage(Buffer.concat(chunks));
      chunks = [];
      next();
    });
  };
  return {
    write(text) {
      waiting.push(text);
      if (!busy) next();
    },
    close: () => stream.destroy(),
  };
}
