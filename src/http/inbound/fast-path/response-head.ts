import type { HeaderList } from '../../../link/message.ts';
import { STATUS_CODES } from '../../../node-http.ts';

/**
 * Status line and header fields of a response, without the empty line that ends them.
 * @param headers of this pod's own making, or read by a parser that lets nothing through which could end a line: the link's, or
 *   that of the HTTP client
 */
export function responseHead(status: number, headers: HeaderList): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return head;
}
