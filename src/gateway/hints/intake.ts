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
  /** Of all bodies together. */
  readonly maxBytes: number;
  /** Free space of the disk below which nothing is kept for others. */
  readonly minFreeBytes: number;
}

/** Locked: it is on disk, and is not delivered from here by itself. */
export const SET_ASIDE = 423;

/** How late a hint is written under the fault `no-hint-fsync`. */
const FAULT_DELAY_MS = 500;

const IDENTITY = /^(interaction|stripe|discord-event):[\x21-\x7e]{1,512}$/;
/** Headers of pods that describe the request itself: they are delivered with it. */
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
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    // The sender of the stored body computes its length.
    if (isHopByHop(name) || name === 'content-length' || (isInternal(name) && !KEPT_INTERNAL.has(name))) continue;
    kept.push(name, headers[i + 1] as string);
  }
  return {
    identity,
    guildId: guildId === '' ? null : guildId,
    target,
    headers: kept,
    body,
    // What else is known by its content has that in its identity.
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
  /** Null: not looked at in this turn. */
  #hasRoom: boolean | null = null;

  constructor(options: {
    store: HintStore;
    limits: HintLimits;
    databasePath: string;
    /** Told of each hint that is on disk. */
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

  /** @returns 201 when it is on disk, 200 when it was, 409 for its identity with another body, 423 when it is set aside, 507 when there is no room */
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

  /** What to answer where there is no room for a hint. */
  #noRoom(hint: NewHint): GatewayResponse | null {
    const { maxCount, maxBytes } = this.#limits;
    const { count, bytes } = this.#store;
    const diskHasRoom = this.#diskHasRoom();
    if (diskHasRoom && count + 1 <= maxCount && bytes + hint.body.length <= maxBytes) return null;
    this.#log.warn({ count, bytes, diskHasRoom }, 'no room for a hint');
    return problem(507, diskHasRoom ? 'this stand-in keeps as much as it may' : 'the disk is nearly full');
  }

  /** Looks once for the hints of one turn. */
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
  if (kind === 'conflict') return problem(409, 'this identity is kept with another body');
  // Its sender sends it again, and another pod may keep it: from here it would not be delivered.
  if (kind === 'set-aside') return problem(SET_ASIDE, 'this request is set aside here and waits for an operator');
  return empty(kind === 'stored' ? 201 : 200);
}
