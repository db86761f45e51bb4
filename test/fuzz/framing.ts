/** The framing of request bodies. */

/** The framing of a request's body. With `cut`, the framing is valid but the body does not follow it. */
export type Framing = (body: string) => {
  readonly fields: string;
  readonly body: string;
  readonly kind: 'good' | 'odd' | 'broken' | 'cut';
};
const chunked = (body: string, end = '\r\n'): string =>
  `${body === '' ? '' : `${body.length.toString(16)}${end}${body}${end}`}0${end}${end}`;
export const good = (fields: string, body: string) => ({ fields, body, kind: 'good' as const });
const odd = (fields: string, body: string) => ({ fields, body, kind: 'odd' as const });
const broken = (fields: string, body: string) => ({ fields, body, kind: 'broken' as const });
/** The head is valid, but the body is incomplete. */
const cut = (body: string) => ({ fields: CHUNKED, body, kind: 'cut' as const });
const CHUNKED = 'Transfer-Encoding: chunked\r\n';

export const GOOD_FRAMING: readonly Framing[] = [
  (body) => good(`Content-Length: ${body.length}\r\n`, body),
  (body) => good(CHUNKED, chunked(body)),
  (body) => good('transfer-encoding: Chunked\r\n', [...body].map((byte) => `1\r\n${byte}\r\n`).join('') + chunked('')),
];
export const ODD_FRAMING: readonly Framing[] = [
  (body) => odd(`Content-Length: ${body.length}\r\nContent-Length: ${body.length}\r\n`, body),
  (body) => odd(`Content-Length: 000${body.length}\r\n`, body),
  (body) => odd(CHUNKED, chunked(body).replace('0\r\n\r\n', '0;x="y"\r\n\r\n')),
  (body) => odd(CHUNKED, chunked(body).replace('0\r\n\r\n', '0\r\nX-Trailer: smuggled\r\n\r\n')),
  (body) => odd('Transfer-Encoding: gzip, chunked\r\n', chunked(body)),
  (body) => odd('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', chunked(body)),
];
export const BROKEN_FRAMING: readonly Framing[] = [
  (body) => broken(`Content-Length: ${body.length}\r\n${CHUNKED}`, chunked(body)),
  (body) => broken(`${CHUNKED}Content-Length: 1\r\n`, chunked(body)),
  (body) => broken(`Content-Length: ${body.length}\r\nContent-Length: ${body.length + 1}\r\n`, body),
  (body) => broken(`Content-Length: +${body.length}\r\n`, body),
  (body) => broken(`Content-Length: 0x${body.length.toString(16)}\r\n`, body),
  (body) => broken(`Content-Length: -1\r\n`, body),
  (body) => broken(`Content-Length : ${body.length}\r\n`, body),
  (body) => broken(`Content-Length:\r\n ${body.length}\r\n`, body),
  (body) => broken(`Content-Length: ${body.length}\n`, body),
  (body) => broken('Transfer-Encoding: identity\r\n', body),
  (body) => broken('Transfer-Encoding: \x0bchunked\r\n', chunked(body)),
  (body) => broken('Transfer-Encoding: chunked, identity\r\n', chunked(body)),
  (body) => broken('Transfer-Encoding:\r\n chunked\r\n', chunked(body)),
  (body) => cut(chunked(body, '\n')),
  (body) => cut(`0x${chunked(body)}`),
  (body) => cut(`-${chunked(body)}`),
  (body) => cut(`${(body.length + 1).toString(16)}\r\n${body}\r\n0\r\n\r\n`),
  (body) => broken(`X\0: y\r\nContent-Length: ${body.length}\r\n`, body),
];
