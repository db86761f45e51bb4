import type { ServerResponse } from 'node:http';
import type { WholeResponse } from './discord-proxy.ts';

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, ['content-type', 'application/json', 'content-length', String(body.length)]);
  response.end(body);
}

/** 204 without a content type: discord.js would parse the empty body as JSON. */
export function sendNothing(response: ServerResponse): void {
  response.writeHead(204);
  response.end();
}

/** Sends a response of Discord. */
export function sendWhole(response: ServerResponse, { status, headers, body }: WholeResponse): void {
  response.writeHead(status, [...headers]);
  response.end(body);
}

/** An error in Discord's form. @param code Source: Discord's documentation, "JSON Error Codes" */
export function sendError(response: ServerResponse, status: number, code: number, message: string): void {
  sendJson(response, status, { message, code });
}
