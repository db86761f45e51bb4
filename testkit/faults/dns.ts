import { createSocket, type Socket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The answer of a name server: an IPv4 address or NXDOMAIN, after `delayMs`.
 */
export type DnsAnswer = { readonly address: string; readonly delayMs?: number } | 'NXDOMAIN';

const TYPE_A = 1;
const NXDOMAIN = 3;
const QUERY_HEADER = 12;

/**
 * A name server on its own address in 127.0.0.0/8, for processes that use it through their C library's real resolver, including its
 * threads and timeouts. Needs root for port 53 and for a mount over /etc/resolv.conf that only these processes see.
 */
export class FaultDns implements AsyncDisposable {
  /** Answers by lower-case name. Other names do not exist. Can change at any time. */
  readonly answers: Map<string, DnsAnswer>;
  readonly #socket: Socket;
  readonly #address: string;
  readonly #timers = new Set<NodeJS.Timeout>();

  private constructor(socket: Socket, address: string, answers: Map<string, DnsAnswer>) {
    this.#socket = socket;
    this.#address = address;
    this.answers = answers;
    socket.on('message', (query, { port, address: from }) => {
      const reply = this.#reply(query);
      if (reply === null) return;
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        this.#socket.send(reply.packet, port, from);
      }, reply.delayMs);
      this.#timers.add(timer);
    });
  }

  static async start(answers: Readonly<Record<string, DnsAnswer>> = {}): Promise<FaultDns> {
    const socket = createSocket('udp4');
    // Each concurrent test needs its own address.
    const address = `127.${64 + Math.floor(Math.random() * 64)}.${Math.floor(Math.random() * 256)}.53`;
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind(53, address, resolve);
    });
    return new FaultDns(socket, address, new Map(Object.entries(answers)));
  }

  /**
   * The `launcher` for processes that use this name server.
   * @param directory the folder for their resolv.conf
   */
  launcher(directory: string): string[] {
    const file = join(directory, 'resolv.conf');
    writeFileSync(file, `nameserver ${this.#address}\n`);
    return ['unshare', '--mount', 'sh', '-c', 'mount --bind "$0" /etc/resolv.conf && exec "$@"', file];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #reply(query: Buffer): { packet: Buffer; delayMs: number } | null {
    const question = readQuestion(query);
    if (question === null) return null;
    const answer = this.answers.get(question.name) ?? 'NXDOMAIN';
    const gone = answer === 'NXDOMAIN';
    // The answer to a question for IPv6 is empty: the name exists, but has no such address.
    const address = !gone && question.type === TYPE_A ? answer.address : null;
    const header = Buffer.alloc(QUERY_HEADER);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8580 | (gone ? NXDOMAIN : 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(address === null ? 0 : 1, 6);
    const parts = [header, query.subarray(QUERY_HEADER, question.end)];
    if (address !== null) {
      // A pointer to the name in the question, type A, class IN, no caching, four bytes.
      parts.push(Buffer.from([0xc0, QUERY_HEADER, 0, TYPE_A, 0, 1, 0, 0, 0, 0, 0, 4]));
      parts.push(Buffer.from(address.split('.').map(Number)));
    }
    return { packet: Buffer.concat(parts), delayMs: gone ? 0 : (answer.delayMs ?? 0) };
  }
}

/** The first question of a query and its end; null if the packet is not a query. */
function readQuestion(query: Buffer): { name: string; type: number; end: number } | null {
  const labels: string[] = [];
  let at = QUERY_HEADER;
  while (at < query.length && query[at] !== 0) {
    const length = query[at] as number;
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  if (at + 5 > query.length) return null;
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}
