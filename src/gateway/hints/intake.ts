import { hash } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { errorCode, GuildwayError } from '../../errors.ts';
import { type GatewayResponse, HEADER, type HeaderList, headerValue } from '../../link/message.ts';
import { errorFacts } from '../../observability/error-facts.ts';
import type { Logger } from '../../observability/log.ts';
import { HINT_HEADER, isHopByHop, isInternal } from '../../protocol/headers.ts';
import { isSnowflake } from '../../routing/snowflake.ts';
import { empty, problem } from '../dispatch/responses.ts';
import type { Faults } from '../faults.ts';
import type { Deferred, HintEntry, HintStore, NewHint, PutResult } from '../store/hints.ts';

export interface HintLimits {
  readonly maxCount: number;
  /** The total size of the bodies. */
  readonly maxBytes: number;
  /** With less free disk space, nothing is stored for other pods. */
  readonly minFreeBytes: number;
}

/** Locked: the request is on disk but set aside, so it is not delivered automatically. */
export const SET_ASIDE = 423;

/** The delay of writing a hint under the fault `no-hint-fsync`. */
const FAULT_DELAY_MS = 500;

const IDENTITY = /^(interaction|stripe|discord-event):[\x21-\x7e]{1,512}$/;
/** Headers from pods that describe the request. They are delivered with it. */
const KEPT_INTERNAL: ReadonlySet<string> = new Set([HEADER.requestId, HEADER.verified]);

/**
 * Reads a hint out of a `PUT /_guildway/hints/<identity>`.
 * @throws GuildwayError REQUEST_INVALID
 */
export function parseHint(identity: string, headers: HeaderList, body: Buffer): NewHint {
  const invalid = (what: string) => new GuildwayError('REQUEST_INVALID', `not a hint: ${what}`);
  if (!IDENTITY.test(identity)) throw invalid('its identity');
  const target = headerValue(headers, HINT_HEADER.target) ?? '';
  if (!/^\/[\x21-\x7e]*$/.test(target)) throw invalid(HINT_HEADER.target);
  const guildId = headerValue(headers, HINT_HEADER.guild) ?? '';
  if (guildId !== '' && !isSnowflake(guildId)) throw invalid(HINT_HEADER.guild);
  const deferred = headerValue(headers, HEADER.deferred) ?? '0';
  if (!/^[056]$/.test(deferred)) throw invalid(HEADER.deferred);
  const lifeMs = headerValue(headers, HINT_HEADER.lifeMs) ?? '';
  if (!/^\d{1,10}$/.test(lifeMs)) throw invalid(HINT_HEADER.lifeMs);
  const forwarded: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    // The delivery computes the length of the stored body.
    if (isHopByHop(name) || name === 'content-length' || (isInternal(name) && !KEPT_INTERNAL.has(name))) continue;
    forwarded.push(name, headers[i + 1] as string);
  }
  return {
    identity,
    guildId: guildId === '' ? null : guildId,
    target,
    headers: forwarded,
    body,
    // Other requests that are identified by their content have it in their identity.
    bodyHash: identity.startsWith('interaction:') ? hash('sha256', body, 'base64url') : null,
    deferred: Number(deferred) as Deferred,
    uncertain: headerValue(headers, HINT_HEADER.sent) !== '0',
    lifeMs: Number(lifeMs),
  };
}

/** Takes hints. Those that arrive together are committed together, so that they share one write to the disk. */
export class HintIntake {
  readonly #store: HintStore;
  readonly #limits: HintLimits;
  readonly #folder: string;
  readonly #onStored: (entry: HintEntry) => void;
  readonly #faults: Faults;
  readonly #log: Logger;
  /** Null: not checked in this turn. */
  #hasRoom: boolean | null = null;

  constructor(options: {
    store: HintStore;
    limits: HintLimits;
    databasePath: string;
    /** Called for each hint that is on disk. */
    onStored: (entry: HintEntry) => void;
    faults: Faults;
    log: Logger;
  }) {
    this.#store = options.store;
    this.#limits = options.limits;
    this.#folder = dirname(options.databasePath);
    this.#onStored = options.onStored;
    this.#faults = options.faults;
    this.#log = options.log;
  }

  /**
   * @returns 201 when the hint is on disk, 200 if it was already, 409 for its identity with another body, 423 if it is set
   *   aside, 507 if there is no room
   */
  async put(hint: NewHint): Promise<GatewayResponse> {
    if (this.#faults.has('no-hint-fsync')) {
      setTimeout(() => void this.#store.put(hint).then((result) => this.#plan(result)), FAULT_DELAY_MS);
      return empty(201);
    }
    const full = this.#noRoom(hint);
    if (full !== null) return full;
    try {
      const result = await this.#store.put(hint);
      this.#faults.killAt('kill-after-hint');
      this.#plan(result);
      return responseTo(result);
    } catch (error) {
      this.#log.error({ err: errorFacts(error), identity: hint.identity }, 'a hint could not be stored');
      return problem(errorCode(error) === 'STORE_FAILED' ? 507 : 503, 'it could not be stored');
    }
  }

  #plan(result: PutResult): void {
    if (result.kind === 'stored') this.#onStored(result.entry);
  }

  /** The response if there is no room for a hint. */
  #noRoom(hint: NewHint): GatewayResponse | null {
    const { maxCount, maxBytes } = this.#limits;
    const { count, bytes } = this.#store;
    const diskHasRoom = this.#diskHasRoom();
    if (diskHasRoom && count + 1 <= maxCount && bytes + hint.body.length <= maxBytes) return null;
    this.#log.warn({ count, bytes, diskHasRoom }, 'no room for a hint');
    return problem(507, diskHasRoom ? 'this stand-in has reached its limit' : 'the disk is nearly full');
  }

  /** Checks once for all hints of one turn. */
  #diskHasRoom(): boolean {
    if (this.#hasRoom === null) {
      this.#hasRoom = this.#lookForRoom();
      setImmediate(() => {
        this.#hasRoom = null;
      });
    }
    return this.#hasRoom;
  }

  #lookForRoom(): boolean {
    try {
      const { bavail, bsize } = statfsSync(this.#folder);
      return bavail * bsize >= this.#limits.minFreeBytes;
    } catch {
      return false;
    }
  }
}

function responseTo({ kind }: PutResult): GatewayResponse {
  if (kind === 'conflict') return problem(409, 'this identity is already stored with another body');
  // The sender retries, and another pod may store it. From here it would not be delivered.
  if (kind === 'set-aside') return problem(SET_ASIDE, 'this request is set aside here and waits for an operator');
  return empty(kind === 'stored' ? 201 : 200);
}
