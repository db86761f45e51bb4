/**
 * Imported before each test file: modules that were compiled once are not compiled again, neither here nor in the processes
 * that a test starts. It is a quarter of what the suite costs, and the folder is the one of the local cluster's pods.
 */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('../../node_modules/.cache/guildway', import.meta.url));
enableCompileCache(process.env.NODE_COMPILE_CACHE);
