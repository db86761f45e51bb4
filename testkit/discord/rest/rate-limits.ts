import { createHash } from 'node:crypto';
import type { RouteLimit } from './router.ts';

export interface LimitVerdict {
  readonly allowed: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** Seconds until a retry is allowed. */
  readonly retryAfter: number;
}

interface Window {
  count: number;
  endsAt: number;
}

const NO_HEADERS = Object.freeze({});
const ALLOWED: LimitVerdict = Object.freeze({ allowed: true, headers: NO_HEADERS, retryAfter: 0 });

/** Counts requests in windows that begin with their first request. Times are on the clock of `performance.now()`. */
class WindowCounter {
  readonly #windows = new Map<string, Window>();

  /** Counts a request. @returns its window */
  hit(key: string, windowMs: number, now: number): Window {
    let window = this.#windows.get(key);
    if (window === undefined || window.endsAt <= now) {
      if (this.#windows.size > 10_000) this.#forgetPast(now);
      window = { count: 0, endsAt: now + windowMs };
      this.#windows.set(key, window);
    }
    window.count++;
    return window;
  }

  #forgetPast(now: number): void {
    for (const [key, window] of this.#windows) if (window.endsAt <= now) this.#windows.delete(key);
  }
}

/** The limits of Discord's REST API: 50 requests a second per token, limits of routes, and 10,000 invalid requests in ten minutes. */
export class RateLimits {
  readonly #globalPerSecond: number;
  readonly #counter = new WindowCounter();
  readonly #hashes = new Map<string, string>();

  constructor(globalPerSecond: number) {
    this.#globalPerSecond = globalPerSecond;
  }

  global(now: number): LimitVerdict {
    const window = this.#counter.hit('global', 1000, now);
    if (window.count <= this.#globalPerSecond) return ALLOWED;
    const retryAfter = seconds(window.endsAt - now);
    return {
      allowed: false,
      retryAfter,
      headers: { 'retry-after': String(retryAfter), 'x-ratelimit-global': 'true', 'x-ratelimit-scope': 'global' },
    };
  }

  /** @param major the id of the channel, guild or webhook in the path */
  route(name: string, major: string, rule: RouteLimit, now: number): LimitVerdict {
    const window = this.#counter.hit(`${name} ${major}`, rule.windowMs, now);
    const retryAfter = seconds(window.endsAt - now);
    const headers: Record<string, string> = {
      'x-ratelimit-limit': String(rule.limit),
      'x-ratelimit-remaining': String(Math.max(0, rule.limit - window.count)),
      'x-ratelimit-reset': String((Date.now() + window.endsAt - now) / 1000),
      'x-ratelimit-reset-after': String(retryAfter),
      'x-ratelimit-bucket': this.#hash(name),
    };
    const allowed = window.count <= rule.limit;
    if (!allowed) Object.assign(headers, { 'retry-after': String(retryAfter), 'x-ratelimit-scope': 'user' });
    return { allowed, headers, retryAfter: allowed ? 0 : retryAfter };
  }

  /** Counts a response of 401, 403 or 429 to an address. @returns whether the address is now blocked */
  invalid(address: string, now: number): boolean {
    const window = this.#counter.hit(`invalid ${address}`, 600_000, now);
    if (window.count < 10_000) return false;
    this.#blockedUntil.set(address, window.endsAt);
    return true;
  }

  readonly #blockedUntil = new Map<string, number>();

  /** Seconds until an address is unblocked; 0 if it is not blocked. */
  blocked(address: string, now: number): number {
    if (this.#blockedUntil.size === 0) return 0;
    const until = this.#blockedUntil.get(address) ?? 0;
    return until > now ? seconds(until - now) : 0;
  }

  #hash(name: string): string {
    let hash = this.#hashes.get(name);
    if (hash === undefined) {
      hash = createHash('md5').update(name).digest('hex');
      this.#hashes.set(name, hash);
    }
    return hash;
  }
}

const seconds = (ms: number): number => Math.ceil(Math.max(1, ms)) / 1000;
