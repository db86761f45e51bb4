import { METHODS } from 'node:http';
import { fieldsOf } from '../headers.ts';

/** A request that came whole: its head and all of its body. */
export interface WholeRequest {
  readonly method: string;
  readonly url: string;
  /** Names in lower case. */
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

/** The parser of Node's own HTTP server (llhttp), as `node:_http_common` has it. */
interface NodeParser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenient: number): void;
  /** Returns how many bytes it took, or the error that ended it. */
  execute(chunk: Buffer): number | Error;
  [callback: number]: unknown;
}

interface NodeParserClass {
  new (): NodeParser;
  readonly REQUEST: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kLenientNone: number;
}

const EMPTY = Buffer.alloc(0);
const NONE: readonly string[] = Object.freeze([]);
const EMPTY_LINE = Buffer.from('\r\n\r\n');
const CR = 13;
const LF = 10;

/**
 * Reads requests that lie whole in one chunk, with the parser of Node's own HTTP server at its strictest setting. What that
 * parser is given here and what it makes of it is what `node:http` gives it and gets; only the objects around it are missing.
 */
export class RequestParser {
  readonly #parser: NodeParser;
  readonly #class: NodeParserClass;
  readonly #maxHeaderBytes: number;
  /** By the parser's number for it. */
  readonly #methods: readonly string[];
  /** How many heads were complete in the chunk, and how many bytes of bodies came after them. */
  #heads = 0;
  #bodyBytes = 0;
  #simple = false;
  #method = 0;
  #url = '';
  #headers: readonly string[] = [];
  #body: Buffer = EMPTY;

  /**
   * @returns null where this version of Node has no such parser, or one that does not do what is expected of it
   */
  static create(maxHeaderBytes: number): RequestParser | null {
    const common = process.getBuiltinModule('_http_common') as { HTTPParser?: NodeParserClass } | undefined;
    if (common?.HTTPParser === undefined) return null;
    try {
      const parser = new RequestParser(common.HTTPParser, maxHeaderBytes);
      return parser.#works() ? parser : null;
    } catch {
      return null;
    }
  }

  private constructor(parserClass: NodeParserClass, maxHeaderBytes: number) {
    this.#class = parserClass;
    this.#maxHeaderBytes = maxHeaderBytes;
    const parser = new parserClass();
    this.#parser = parser;
    // Each callback costs: that a request has begun or is complete is seen without one.
    // Only called for headers that are too many for one call, and for trailers.
    parser[parserClass.kOnHeaders | 0] = () => {
      this.#simple = false;
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
    this.#methods = this.#numberMethods();
  }

  /**
   * The request that a chunk is, or null when the chunk is anything but one whole HTTP/1.1 request on a connection that stays,
   * with one `Host`, without `Expect` and without a chunked body.
   */
  parse(chunk: Buffer): WholeRequest | null {
    const request = this.#execute(chunk);
    // The parser may be in the middle of a request, or have given up.
    if (request === null) this.#reset();
    return request;
  }

  #execute(chunk: Buffer): WholeRequest | null {
    this.#heads = 0;
    this.#bodyBytes = 0;
    this.#simple = false;
    this.#body = EMPTY;
    // All of it was taken, and one head was in it.
    if (this.#parser.execute(chunk) !== chunk.length || this.#heads !== 1 || !this.#simple) return null;
    const method = this.#methods[this.#method];
    const fields = fieldsOf(this.#headers);
    let hosts = 0;
    let length = 0;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      if (name === 'host') hosts++;
      else if (name === 'content-length') length = Number(fields[i + 1]);
      else if (name === 'transfer-encoding' || name === 'expect') return null;
    }
    if (method === undefined || hosts !== 1) return null;
    const body = this.#body;
    if (this.#bodyBytes !== length || body.length !== length || !endsWith(chunk, length)) return null;
    return { method, url: this.#url, fields, body };
  }

  #reset(): void {
    this.#parser.initialize(this.#class.REQUEST, {}, this.#maxHeaderBytes, this.#class.kLenientNone);
  }

  #numberMethods(): string[] {
    const methods: string[] = [];
    for (const method of METHODS) {
      this.#parser.execute(Buffer.from(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`, 'latin1'));
      if (this.#simple) methods[this.#method] = method;
      this.#simple = false;
      this.#reset();
    }
    return methods;
  }

  #works(): boolean {
    const request = this.parse(
      Buffer.from('POST /a?b HTTP/1.1\r\nHost: c\r\nX-Y: z\r\nContent-Length: 3\r\n\r\nabc', 'latin1'),
    );
    const half = this.parse(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\nGET', 'latin1'));
    return (
      half === null &&
      request?.method === 'POST' &&
      request.url === '/a?b' &&
      request.fields.join() === 'host,c,x-y,z,content-length,3' &&
      request.body.toString('latin1') === 'abc'
    );
  }
}

/**
 * Whether a chunk that begins with a request ends with it: with the empty line after its head, or with its body's last byte.
 * What may come after it is less than a head, of which there is one: it has no empty line.
 */
function endsWith(chunk: Buffer, bodyLength: number): boolean {
  const { length } = chunk;
  if (bodyLength > 0) return chunk.indexOf(EMPTY_LINE) + EMPTY_LINE.length + bodyLength === length;
  return chunk[length - 1] === LF && chunk[length - 2] === CR && chunk[length - 3] === LF && chunk[length - 4] === CR;
}
