import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';

type Callback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/**
 * A name lookup without a cache that merges concurrent lookups of a name. Each lookup blocks a thread of libuv's pool. Otherwise a pod
 * whose name resolves slowly could block all threads, and so the lookups of other pods.
 */
export function createSharedLookup(resolve: typeof lookup = lookup): LookupFunction {
  const asking = new Map<string, Callback[]>();
  return (hostname: string, options: LookupOptions, callback: Callback): void => {
    const key = `${hostname} ${options.family ?? 0} ${options.all ?? false} ${options.hints ?? 0}`;
    const waiting = asking.get(key);
    if (waiting !== undefined) {
      waiting.push(callback);
      return;
    }
    const callbacks = [callback];
    asking.set(key, callbacks);
    resolve(hostname, options, (error, address, family) => {
      asking.delete(key);
      for (const answer of callbacks) answer(error, address, family);
    });
  };
}
