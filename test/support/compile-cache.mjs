/**
 * Imported before each test file. Enables the compile cache, here and in the processes that a test starts, which saves a quarter of the
 * suite's CPU. The folder is that of the local cluster's pods.
 */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../../node_modules/.cache/guildway', import.meta.url));
enableCompileCache(process.env.NODE_COMPILE_CACHE);
