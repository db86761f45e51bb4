import type { SessionInfo } from '@discordjs/ws';
import { fullJitter } from '../../link/backoff.ts';
import type { Logger } from '../../observability/log.ts';
import { StateMachine } from '../../state-machine.ts';
import { type Duration, elapsed, type MonotonicTime, monotonicNow } from '../../time.ts';
import { closeMeaning } from './close-codes.ts';
import { pause } from './pause.ts';
import { MAX_FAILED_RESUMES, type ShardSessions } from './sessions.ts';
import { SHARD_TRANSITIONS, type ShardState } from './shard-state.ts';
import type { SessionTiming } from './timing.ts';

export interface ShardOptions {
  readonly id: number;
  readonly sessions: ShardSessions;
  /** Resolves when there is room for this shard's events. */
  readonly whenRoomy: (shard: number) => Promise<void>;
  /** Closes the connection and opens another one, which resumes the session if there is one. */
  readonly reconnect: (shard: number, reason: string) => void;
  /** Discord's general address, where every session can be resumed. Null: unknown yet. */
  readonly gatewayUrl: () => string | null;
  /** Aborts when this process disconnects from Discord. */
  readonly stopping: AbortSignal;
  readonly timing: SessionTiming;
  readonly log: Logger;
  /** Waits. Default: by the clock. */
  readonly sleep?: typeof pause;
}

/**
 * The highest count of failures from connections that break soon although Discord answered on them. Discord moves sessions
 * several times in a row when it restarts its servers; a longer wait would only delay events.
 */
const MAX_ANSWERED_FAILURES = 3;

/**
 * The lifecycle of a shard across connections. The library reports to it and asks it. It decides when to connect, whether to
 * resume the session or give it up, and when the shard is ready.
 */
export class Shard {
  readonly #options: ShardOptions;
  readonly #machine = new StateMachine<ShardState>('waiting', SHARD_TRANSITIONS);
  /** The reason for this state, for people. */
  #why: string | null = null;
  /** Consecutive connections that failed soon. */
  #failures = 0;
  #readyAt: MonotonicTime | null = null;
  /** Discord has ended the session with the last connection. */
  #isOver = false;
  #connecting: Promise<SessionInfo | null> | null = null;
  #resumeTimer: NodeJS.Timeout | null = null;
  #latencyMs: Duration | null = null;

  constructor(options: ShardOptions) {
    this.#options = options;
  }

  get state(): ShardState {
    return this.#machine.current;
  }

  get summary(): {
    readonly shard: number;
    readonly state: ShardState;
    why: string | null;
    latencyMs: Duration | null;
  } {
    return { shard: this.#options.id, state: this.state, why: this.#why, latencyMs: this.#latencyMs };
  }

  /** The session to resume, or null to identify. The library asks before it opens a connection, and often while one is open. */
  session(): SessionInfo | null | Promise<SessionInfo | null> {
    // The library may want to connect once more after it was told to leave.
    if (this.#machine.is('stopped')) return new Promise(() => {});
    if (this.#machine.is('waiting', 'paused')) {
      this.#connecting ??= this.#connect().finally(() => {
        this.#connecting = null;
      });
      return this.#connecting;
    }
    // Synchronously, or events would overtake each other.
    return this.#options.sessions.retrieve(this.#options.id);
  }

  /**
   * The library is about to give the session up: Discord has ended it, or the library cannot connect, which does not end it.
   */
  giveUpSession(): void {
    // With a connection that is still open, Discord has said so on it.
    const isOver = this.#machine.is('waiting') ? this.#isOver : this.#machine.is('identifying', 'resuming', 'ready');
    if (isOver) this.#end();
  }

  /** The shard waits for an identify slot, or has got one. */
  identifying(why: string | null): void {
    if (this.#machine.is('identifying')) this.#why = why;
    else this.#enter('identifying', why);
  }

  /**
   * The library is about to send a resume.
   * @returns false if it must not: Discord has asked for another resume on the same connection, and would repeat that forever
   */
  resuming(): boolean {
    if (this.#machine.is('resuming')) {
      this.#resumeFailed('Discord asks to resume again');
      return false;
    }
    if (!this.#enter('resuming')) return false;
    this.#expectAnswer();
    return true;
  }

  /** An event of the session has arrived. It may be a replayed one. */
  progressed(): void {
    if (this.#machine.is('resuming')) this.#expectAnswer();
  }

  ready(): void {
    if (!this.#enter('ready', null)) return;
    this.#stopExpecting();
    this.#readyAt = monotonicNow();
    this.#options.sessions.resumeSucceeded(this.#options.id);
  }

  /** Since when its events come without a gap. Null: they do not. */
  get readySince(): MonotonicTime | null {
    return this.#machine.is('ready') ? this.#readyAt : null;
  }

  setLatency(latencyMs: Duration): void {
    this.#latencyMs = latencyMs;
  }

  /** The connection is closed, by either side. */
  closed(code: number): void {
    const { id, log, sessions, gatewayUrl } = this.#options;
    const meaning = closeMeaning(code);
    if (meaning.action === 'stop') {
      if (this.#enter('failed', `${meaning.remedy} (${code})`))
        log.fatal({ shard: id, code }, `Discord closed the connection for good: ${meaning.remedy} (${code})`);
      return;
    }
    // This pod closed it and has set the state already.
    if (this.#machine.is('waiting', 'paused', 'failed', 'stopped')) return;
    log.warn({ shard: id, code }, `Discord connection closed (${meaning.why}); connecting again`);
    const why = `the connection was closed (${code}, ${meaning.why})`;
    this.#isOver = meaning.action === 'identify' && !this.#machine.is('connecting');
    if (this.#machine.is('resuming')) {
      this.#noteFailedResume();
    } else if (this.#machine.is('connecting')) {
      // The address may be dead. The general address can still resume the session.
      const url = gatewayUrl();
      if (url !== null) sessions.resumeAt(id, url);
    }
    this.#wait(why);
  }

  /** Too many events wait for their handlers: disconnects until there is room. */
  pauseFor(why: string): void {
    if (!this.#enter('paused', why)) return;
    this.#stopExpecting();
    this.#options.reconnect(this.#options.id, 'too many events');
  }

  /** Opens nothing more and keeps the session. */
  stop(): void {
    this.#enter('stopped', null);
    this.#stopExpecting();
  }

  async #connect(): Promise<SessionInfo | null> {
    const { id, sessions, whenRoomy, stopping, timing, sleep = pause } = this.#options;
    const { backoffBaseMs, backoffCapMs } = timing;
    if (this.#failures > 1) await sleep(fullJitter(this.#failures - 1, backoffBaseMs, backoffCapMs), stopping);
    await whenRoomy(id);
    // It was stopped in the meantime.
    if (!this.#enter('connecting')) return new Promise(() => {});
    return sessions.retrieve(id);
  }

  #expectAnswer(): void {
    this.#stopExpecting();
    const onSilence = (): void => this.#resumeFailed('Discord does not answer a resume');
    this.#resumeTimer = setTimeout(onSilence, this.#options.timing.resumeMs).unref();
  }

  #stopExpecting(): void {
    if (this.#resumeTimer !== null) clearTimeout(this.#resumeTimer);
    this.#resumeTimer = null;
  }

  #resumeFailed(why: string): void {
    const { id, log, reconnect } = this.#options;
    log.warn({ shard: id }, `${why}; connecting again`);
    this.#noteFailedResume();
    this.#wait(why);
    reconnect(id, why);
  }

  /** Gives up a session that Discord does not resume, here and for the next process: the next connection identifies. */
  #noteFailedResume(): void {
    const { id, sessions, log } = this.#options;
    const tries = sessions.resumeFailed(id);
    if (tries < MAX_FAILED_RESUMES) return;
    log.warn({ shard: id, tries }, 'Discord does not resume the session: a new one is started');
    this.#end();
  }

  #end(): void {
    const { id, sessions, log } = this.#options;
    try {
      if (sessions.end(id)) log.warn({ shard: id }, 'Discord session is over; events until the next one are missed');
    } catch (error) {
      log.error({ err: error, shard: id }, 'cannot delete a session that is over; the next process tries to resume it');
    }
  }

  #wait(why: string): void {
    const readyMs = this.#readyAt === null ? null : elapsed(this.#readyAt);
    if (readyMs === null) this.#failures++;
    else
      this.#failures =
        readyMs >= this.#options.timing.steadyMs ? 1 : Math.min(this.#failures + 1, MAX_ANSWERED_FAILURES);
    this.#readyAt = null;
    this.#stopExpecting();
    this.#enter('waiting', why);
  }

  /** The only place that changes the state. @param why default: unchanged */
  #enter(next: ShardState, why?: string | null): boolean {
    if (!this.#machine.enter(next)) return false;
    if (why !== undefined) this.#why = why;
    return true;
  }
}
