import { STATUS_CODES } from 'node:http';
import type { HeaderList } from '../../link/message.ts';

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What no field value may contain (RFC 9110, 5.5): above all CR and LF, which would begin another field or response. */
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * Status line and header fields of a response, without the empty line that ends them.
 * @returns null if a name or value is none that HTTP allows
 */
export function responseHead(status: number, headers: HeaderList): string | null {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    const value = headers[i + 1] as string;
    if (!TOKEN.test(name) || NO_VALUE.test(value)) return null;
    head += `${name}: ${value}\r\n`;
  }
  return head;
}
