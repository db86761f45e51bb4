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
  readonly kOnMessageBegin: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
  readonly kLenientNone: number;
}

const EMPTY = Buffer.alloc(0);

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
  #begun = 0;
  #complete = 0;
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
    parser[parserClass.kOnMessageBegin | 0] = () => {
      this.#begun++;
    };
    // Only called for headers that are too many for one call, and for trailers.
    parser[parserClass.kOnHeaders | 0] = () => {
      this.#simple = false;
    };
    const onHeadersComplete: OnHeadersComplete = (major, minor, headers, method, url, _s, _m, upgrade, keepAlive) => {
      this.#simple = major === 1 && minor === 1 && keepAlive && !upgrade && headers !== undefined && url !== undefined;
      this.#headers = headers ?? [];
      this.#url = url ?? '';
      this.#method = method;
      return 0;
    };
    parser[parserClass.kOnHeadersComplete | 0] = onHeadersComplete;
    parser[parserClass.kOnBody | 0] = (part: Buffer) => {
      // A second part: it was chunked.
      if (this.#body.length > 0) this.#simple = false;
      this.#body = part;
    };
    parser[parserClass.kOnMessageComplete | 0] = () => {
      this.#complete++;
    };
    this.#reset();
    this.#methods = this.#numberMethods();
  }

  /**
   * The request that a chunk is, or null when the chunk is anything but one whole HTTP/1.1 request on a connection that stays,
   * with one `Host`, without `Expect` and without a chunked body.
   */
  parse(chunk: Buffer): WholeRequest | null {
    if (!this.#execute(chunk)) return null;
    const method = this.#methods[this.#method];
    const fields = fieldsOf(this.#headers);
    let hosts = 0;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      if (name === 'host') hosts++;
      else if (name === 'transfer-encoding' || name === 'expect') return null;
    }
    if (method === undefined || hosts !== 1) return null;
    return { method, url: this.#url, fields, body: this.#body };
  }

  #execute(chunk: Buffer): boolean {
    this.#begun = 0;
    this.#complete = 0;
    this.#simple = false;
    this.#body = EMPTY;
    const taken = this.#parser.execute(chunk);
    // More than one begun: the client does not wait for its answers.
    if (taken === chunk.length && this.#begun === 1 && this.#complete === 1 && this.#simple) return true;
    // It may be in the middle of a request, or have given up.
    this.#reset();
    return false;
  }

  #reset(): void {
    this.#parser.initialize(this.#class.REQUEST, {}, this.#maxHeaderBytes, this.#class.kLenientNone);
  }

  #numberMethods(): string[] {
    const methods: string[] = [];
    for (const method of METHODS) {
      if (this.#execute(Buffer.from(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`, 'latin1')))
        methods[this.#method] = method;
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
