import type { HeaderList } from '../../../link/message.ts';
import { STATUS_CODES } from '../../../node-http.ts';

/**
 * The status line and header fields of a response, without the final empty line.
 * @param headers created by this pod, or validated by the link's parser or the HTTP client's, so that no value contains a line end
 */
export function responseHead(status: number, headers: HeaderList): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return head;
}
