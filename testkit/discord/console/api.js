/** A client for the simulator's console API, which console-api/console-api.ts documents. */
const ROOT = '/console/api';

/** An error response, with the API's message. */
export class ApiError extends Error {}

/** @param {string} path @param {RequestInit} [init] */
async function request(path, init) {
  let response;
  try {
    response = await fetch(ROOT + path, init);
  } catch {
    throw new ApiError('The simulator does not respond. Is npm start still running?');
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(body?.error ?? `status ${response.status}`);
  return body;
}

/** @param {string} path @param {Record<string, string | number | null | undefined>} [query] */
export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return request(search.size === 0 ? path : `${path}?${search}`);
}

/** @param {string} path @param {object} body */
export function post(path, body) {
  return request(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}

const EVENTS = [
  'message',
  'message_update',
  'message_delete',
  'interaction',
  'completed',
  'gateway',
  'commands',
  'violation',
  'unknown_route',
];

/**
 * Subscribes to the simulator's events. The browser reconnects by itself.
 * @param {(event: any) => void} onEvent
 * @param {(connected: boolean) => void} onState
 */
export function listen(onEvent, onState) {
  const source = new EventSource(`${ROOT}/events`);
  // The event's name is its type. `message` is also the default name of events without one.
  for (const name of EVENTS)
    source.addEventListener(name, (event) => onEvent({ ...JSON.parse(event.data), type: name }));
  source.addEventListener('open', () => onState(true));
  source.addEventListener('error', () => onState(false));
}
