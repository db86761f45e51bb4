import { Fifo } from '../store/fifo.ts';
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

/** A session of one shard, with its sequence and the events to replay on a resume. Outlives its connections. */
export class GatewaySession {
  readonly facts: SessionFacts;
  seq = 0;
  connection: GatewayConnection | null = null;
  /** The time of the disconnect, in Unix milliseconds. */
  detachedAt: number | null = null;
  resumes = 0;
  ended = false;
  readonly #limit: number;
  readonly #names = new Fifo<string>();
  /** The events' data, as JSON. */
  readonly #data = new Fifo<string>();

  constructor(facts: SessionFacts, replayBufferSize: number) {
    this.facts = facts;
    this.#limit = replayBufferSize;
  }

  /** Assigns the next sequence number, stores the event, and sends it if connected. @param json the event's data */
  dispatch(name: string, json: string): void {
    this.seq++;
    this.#names.push(name);
    this.#data.push(json);
    if (this.#names.size > this.#limit) {
      this.#names.shift();
      this.#data.shift();
    }
    this.connection?.send(frame(name, this.seq, json));
  }

  /** Whether every event after `seq` is still stored. */
  canReplay(seq: number): boolean {
    return seq >= this.seq - this.#names.size && seq <= this.seq;
  }

  /** Sends every event after `seq`. @returns the number of events */
  replay(seq: number): number {
    const missed = this.seq - seq;
    const from = this.#names.size - missed;
    for (let i = 0; i < missed; i++) {
      this.connection?.send(frame(this.#names.at(from + i) as string, seq + i + 1, this.#data.at(from + i) as string));
    }
    return missed;
  }
}

const frame = (name: string, seq: number, json: string): string => `{"t":"${name}","s":${seq},"op":0,"d":${json}}`;
