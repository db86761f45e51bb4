import type { Socket } from 'node:net';
import { METHODS } from '../../../node-http.ts';
import { normalTarget } from '../../../protocol/target.ts';
import { fieldsOf } from '../headers.ts';
import { isHost } from '../host.ts';

/** A request that arrived whole, with its head and body. */
export interface WholeRequest {
  readonly method: string;
  /** Path and query in their normal form. */
  readonly url: string;
  /** See `fieldsOf`. */
  readonly fields: readonly string[];
  readonly body: Buffer;
}

type OnHeadersComplete = (
  major: number,
  minor: number,
  headers: readonly string[] | undefined,
  method: number,
  url: string | undefined,
  status: number | undefined,
  statusMessage: string | undefined,
  upgrade: boolean,
  shouldKeepAlive: boolean,
) => number;

/** The parser of Node's HTTP server (llhttp), from `node:_http_common`. */
interface NodeParser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenient: number): void;
  /** @returns the number of consumed bytes, or an error */
  execute(chunk: Buffer): number | Error;
  /** Reads from a socket's handle from now on and calls `kOnExecute` with the result of `execute`. */
  consume(handle: object): void;
  unconsume(): void;
  /** The last chunk. Valid within `kOnExecute` only. */
  getCurrentBuffer(): Buffer;
  close(): void;
  [callback: number]: unknown;
}

interface NodeParserClass {
  new (): NodeParser;
  readonly REQUEST: number;
  readonly kOnMessageBegin: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnExecute: number;
  readonly kLenientNone: number;
}

const EMPTY: Buffer = Buffer.alloc(0);
const NONE: readonly string[] = Object.freeze([]);

/** Creates parsers for requests that arrive whole. */
export class RequestParsers {
  readonly #class: NodeParserClass;
  readonly #maxHeaderBytes: number;
  /** By the parser's number of the method. */
  #methods: readonly string[] = [];

  /** @returns null if this version of Node does not have the parser, or one with another behaviour */
  static find(maxHeaderBytes: number): RequestParsers | null {
    const common = process.getBuiltinModule('_http_common') as { HTTPParser?: NodeParserClass } | undefined;
    if (common?.HTTPParser === undefined) return null;
    const parsers = new RequestParsers(common.HTTPParser, maxHeaderBytes);
    try {
      parsers.#methods = parsers.#numberMethods();
      return parsers.#work() ? parsers : null;
    } catch {
      return null;
    }
  }

  private constructor(parserClass: NodeParserClass, maxHeaderBytes: number) {
    this.#class = parserClass;
    this.#maxHeaderBytes = maxHeaderBytes;
  }

  create(): RequestParser {
    return new RequestParser(this.#class, this.#maxHeaderBytes, this.#methods);
  }

  #numberMethods(): string[] {
    const methods: string[] = [];
    for (const method of METHODS) {
      const parser = new this.#class();
      parser.initialize(this.#class.REQUEST, {}, this.#maxHeaderBytes, this.#class.kLenientNone);
      const note: OnHeadersComplete = (_major, _minor, _headers, number, _url, _s, _m, upgrade) => {
        if (!upgrade) methods[number] = method;
        return 0;
      };
      parser[this.#class.kOnHeadersComplete | 0] = note;
      parser.execute(Buffer.from(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`, 'latin1'));
      parser.close();
    }
    return methods;
  }

  #work(): boolean {
    const parser = this.create();
    const post = 'POST /a?b HTTP/1.1\r\nHost: c\r\nX-Y: z\r\nContent-Length: 3\r\n\r\nabc';
    const request = parser.parse(Buffer.from(post, 'latin1'));
    const more = parser.parse(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET', 'latin1'));
    parser.close();
    return (
      more === null &&
      request?.method === 'POST' &&
      request.url === '/a?b' &&
      request.fields.join() === 'host,c,x-y,z,content-length,3' &&
      request.body.toString('latin1') === 'abc'
    );
  }
}

/**
 * Reads requests that arrive whole in one chunk, with the parser of Node's HTTP server at its strictest setting. The parser gets the same
 * input as from `node:http` and returns the same result, but without the objects around it.
 */
export class RequestParser {
  readonly #parser: NodeParser;
  readonly #class: NodeParserClass;
  readonly #maxHeaderBytes: number;
  readonly #methods: readonly string[];
  /** The numbers of requests that began and of heads that were completed in this chunk, and the bytes of bodies. */
  #begun = 0;
  #heads = 0;
  #bodyBytes = 0;
  #simple = false;
  #method = 0;
  #url = '';
  #headers: readonly string[] = NONE;
  #body = EMPTY;
  #consumes = false;

  /** See {@link RequestParsers.create}. */
  constructor(parserClass: NodeParserClass, maxHeaderBytes: number, methods: readonly string[]) {
    this.#class = parserClass;
    this.#maxHeaderBytes = maxHeaderBytes;
    this.#methods = methods;
    const parser = new parserClass();
    this.#parser = parser;
    // Callbacks are expensive, so the end of a request is detected without one.
    parser[parserClass.kOnMessageBegin | 0] = () => {
      this.#begun++;
    };
    // Called only if there are too many headers for one call, and for trailers.
    parser[parserClass.kOnHeaders | 0] = () => {
      this.#begun = Number.NaN;
    };
    const onHeadersComplete: OnHeadersComplete = (major, minor, headers, method, url, _s, _m, upgrade, keepAlive) => {
      this.#heads++;
      this.#simple = major === 1 && minor === 1 && keepAlive && !upgrade && headers !== undefined && url !== undefined;
      this.#headers = headers ?? NONE;
      this.#url = url ?? '';
      this.#method = method;
      return 0;
    };
    parser[parserClass.kOnHeadersComplete | 0] = onHeadersComplete;
    parser[parserClass.kOnBody | 0] = (part: Buffer) => {
      this.#body = part;
      this.#bodyBytes += part.length;
    };
    this.#reset();
  }

  /**
   * The request in a chunk. Null unless the chunk is exactly one whole HTTP/1.1 request on a persistent connection, with an unambiguous
   * path and one unambiguous `Host`, without `Expect` and without a chunked body.
   */
  parse(chunk: Buffer): WholeRequest | null {
    return this.#result(this.#parser.execute(chunk));
  }

  /**
   * Reads from a socket like Node's server. No chunk passes through JavaScript, which saves a tenth of the cost of a request.
   * @param onChunk gets the result of {@link parse} for each chunk; {@link chunk} has its bytes during the call
   * @returns false if the socket does not support this; pass its chunks to {@link parse}
   */
  consume(socket: Socket, onChunk: (request: WholeRequest | null) => void): boolean {
    const { _handle: handle } = socket as { _handle?: { isStreamBase?: boolean } | null };
    if (!handle?.isStreamBase) return false;
    this.#parser[this.#class.kOnExecute | 0] = (taken: number | Error) => onChunk(this.#result(taken));
    this.#parser.consume(handle);
    this.#consumes = true;
    return true;
  }

  /** The last chunk. */
  get chunk(): Buffer {
    return this.#parser.getCurrentBuffer();
  }

  /** Releases the socket, which then reads for itself again. */
  unconsume(): void {
    if (!this.#consumes) return;
    this.#consumes = false;
    this.#parser.unconsume();
  }

  /** Frees the parser. Call it once at the end. */
  close(): void {
    this.unconsume();
    // Not during a callback of the parser.
    setImmediate(() => this.#parser.close());
  }

  #result(taken: number | Error): WholeRequest | null {
    const request = typeof taken === 'number' ? this.#whole() : null;
    this.#begun = 0;
    this.#heads = 0;
    this.#bodyBytes = 0;
    this.#body = EMPTY;
    // The parser may be in the middle of a request or have failed.
    if (request === null) this.#reset();
    return request;
  }

  /** Whether the chunk has exactly one complete request. Any further bytes except line ends would have started another request. */
  #whole(): WholeRequest | null {
    if (this.#begun !== 1 || this.#heads !== 1 || !this.#simple) return null;
    const method = this.#methods[this.#method];
    const fields = fieldsOf(this.#headers);
    let hosts = 0;
    let length = 0;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      if (name === 'host') {
        if (!isHost(fields[i + 1] as string)) return null;
        hosts++;
      } else if (name === 'content-length') length = Number(fields[i + 1]);
      else if (name === 'transfer-encoding' || name === 'expect') return null;
    }
    const target = normalTarget(this.#url);
    if (method === undefined || hosts !== 1 || target === null || target.authority !== null) return null;
    const body = this.#body;
    if (this.#bodyBytes !== length || body.length !== length) return null;
    return { method, url: target.target, fields, body };
  }

  #reset(): void {
    this.#parser.initialize(this.#class.REQUEST, {}, this.#maxHeaderBytes, this.#class.kLenientNone);
  }
}
