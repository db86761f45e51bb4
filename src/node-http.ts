/**
 * `node:http`, loaded as `require` does. The first `import` of it costs a pod's start 90 ms of CPU: it reads every export, and
 * its `WebSocket` loads the whole of Node's own HTTP client, for which an HTTP pod has no use. So no other module imports
 * more than types from `node:http`; test/unit/node-http.test.ts checks it.
 */
export const { createServer, METHODS, request, STATUS_CODES } = process.getBuiltinModule('node:http');
