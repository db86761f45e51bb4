import type { GatewayConnection } from './connection.ts';

export interface SessionFacts {
  readonly id: string;
  readonly shard: number;
  readonly numShards: number;
  readonly intents: number;
  /** `properties` of the identify: os, browser, device. */
  readonly properties: Readonly<Record<string, unknown>>;
  /** Unix milliseconds. */
  readonly identifiedAt: number;
}

/** A session of one shard: its events in sequence, and those that a resume would need. Outlives its connections. */
export class GatewaySession {
  readonly facts: SessionFacts;
  seq = 0;
  connection: GatewayConnection | null = null;
  /** When it lost its connection, in Unix milliseconds. */
  detachedAt: number | null = null;
  resumes = 0;
  ended = false;
  readonly #limit: number;
  // Names and data of events, oldest first; those before #head were dropped.
  #names: string[] = [];
  #data: string[] = [];
  #head = 0;

  constructor(facts: SessionFacts, replayBufferSize: number) {
    this.facts = facts;
    this.#limit = replayBufferSize;
  }

  /** Gives the event the next sequence number, keeps it, and sends it if there is a connection. @param json its data */
  dispatch(name: string, json: string): void {
    this.seq++;
    this.#names.push(name);
    this.#data.push(json);
    if (this.#names.length - this.#head > this.#limit) this.#dropOldest();
    this.connection?.send(frame(name, this.seq, json));
  }

  /** Whether every event after `seq` is still there. */
  canReplay(seq: number): boolean {
    return seq >= this.seq - (this.#names.length - this.#head) && seq <= this.seq;
  }

  /** Sends every event after `seq`. @returns how many */
  replay(seq: number): number {
    const missed = this.seq - seq;
    const from = this.#names.length - missed;
    for (let i = 0; i < missed; i++) {
      this.connection?.send(frame(this.#names[from + i] as string, seq + i + 1, this.#data[from + i] as string));
    }
    return missed;
  }

  #dropOldest(): void {
    this.#names[this.#head] = '';
    this.#data[this.#head] = '';
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#names.length) {
      this.#names = this.#names.slice(this.#head);
      this.#data = this.#data.slice(this.#head);
      this.#head = 0;
    }
  }
}

const frame = (name: string, seq: number, json: string): string => `{"t":"${name}","s":${seq},"op":0,"d":${json}}`;
