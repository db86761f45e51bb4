/**
 * Loaded into a bot's process before the bot, by NODE_OPTIONS: requests to Discord go to the pod beside it. It works below the
 * libraries, so that any version, any copy and any bundle of them is reached: `node:https` (Eris, ws, axios) and the dispatcher of
 * undici (fetch, discord.js, Oceanic). Plain JavaScript for the Node of the bot, which may be older than that of the pod.
 */

import http from 'node:http';
import https from 'node:https';
import module from 'node:module';

const apiUrl = process.env.GUILDWAY_API_URL;
const gatewayUrl = process.env.GUILDWAY_GATEWAY_URL;
if (apiUrl && gatewayUrl) {
  const local = new URL(apiUrl);
  const API_HOST = /^(?:(?:www|ptb|canary)\.)?discord(?:app)?\.com$/;
  const GATEWAY_HOST = /^gateway(?:-[\w-]+)?\.discord\.gg$/;
  const isApi = (host, path) => API_HOST.test(host) && /^\/api(?:\/|$)/.test(path ?? '');
  const isDiscord = (host, path) => isApi(host, path) || GATEWAY_HOST.test(host);

  redirectHttps();
  for (const slot of ['undici.globalDispatcher.1', 'undici.globalDispatcher.2']) redirectDispatcher(Symbol.for(slot));
  redirectSources();

  function redirectHttps() {
    for (const name of ['request', 'get']) {
      const original = https[name];
      https[name] = function (...given) {
        const [first, second] = given;
        const isUrl = typeof first === 'string' || first instanceof URL;
        const url = isUrl ? new URL(String(first)) : null;
        const options = (isUrl ? (typeof second === 'object' ? second : {}) : first) ?? {};
        const host = String(options.hostname ?? options.host ?? url?.hostname ?? '').replace(/:443$/, '');
        const path = options.path ?? (url === null ? '/' : url.pathname + url.search);
        if (!isDiscord(host, path)) return original.apply(this, given);
        const callback = given.find((value) => typeof value === 'function');
        const { agent: _, createConnection: __, servername: ___, ...rest } = options;
        const headers = withoutHost(rest.headers);
        const redirected = {
          ...rest,
          headers,
          ...{
            protocol: 'http:',
            host: local.hostname,
            hostname: local.hostname,
            port: local.port,
            defaultPort: 80,
            path,
          },
        };
        return http[name](redirected, callback);
      };
    }
    module.syncBuiltinESMExports();
  }

  function withoutHost(headers) {
    if (headers === undefined || headers === null || Array.isArray(headers)) return headers;
    return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'host'));
  }

  function redirectDispatcher(slot) {
    // Makes Node load its own undici, which fills the slot.
    void globalThis.fetch;
    void globalThis.Headers;
    const current = globalThis[slot];
    if (current === undefined) return;
    const wrap = (dispatcher) =>
      new Proxy(dispatcher, {
        get(target, name) {
          const value = Reflect.get(target, name, target);
          if (name !== 'dispatch') return typeof value === 'function' ? value.bind(target) : value;
          return (options, handler) => {
            const { hostname } = new URL(String(options.origin));
            if (!isDiscord(hostname, options.path)) return target.dispatch(options, handler);
            return target.dispatch({ ...options, origin: local.origin }, handler);
          };
        },
      });
    globalThis[slot] = wrap(current);
  }

  /** A second net for discord.js: a copy whose requests go through a dispatcher of its own. */
  function redirectSources() {
    if (typeof module.registerHooks !== 'function') return;
    module.registerHooks({
      load(url, context, next) {
        const loaded = next(url, context);
        if (!/\/node_modules\/@discordjs\/rest\/dist\//.test(url) || loaded.source == null) return loaded;
        const source = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source).toString();
        return { ...loaded, source: source.replaceAll('"https://discord.com/api"', JSON.stringify(apiUrl)) };
      },
    });
  }
}
