import { isUtf8 } from 'node:buffer';
import type { GatewayResponse } from '../../link/message.ts';

/** A response as the ledger stores it: text unchanged, other bodies in base64. */
interface Recorded {
  readonly status: number;
  readonly headers: readonly string[];
  readonly text?: string;
  readonly base64?: string;
}

export function encodeResponse({ status, headers, body }: GatewayResponse): string {
  const content = isUtf8(body) ? { text: body.toString('utf8') } : { base64: body.toString('base64') };
  return JSON.stringify({ status, headers, ...content } satisfies Recorded);
}

export function decodeResponse(value: string): GatewayResponse {
  const { status, headers, text, base64 } = JSON.parse(value) as Recorded;
  return {
    status,
    headers,
    body: text === undefined ? Buffer.from(base64 ?? '', 'base64') : Buffer.from(text, 'utf8'),
  };
}
