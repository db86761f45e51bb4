/**
 * The environment of a process whose configuration is up to its test: nothing of the machine's but where programs are, and
 * modules that were compiled before, which is half of what its start costs.
 */
export const BARE: Readonly<Record<string, string | undefined>> = Object.freeze({
  PATH: process.env.PATH,
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
});
