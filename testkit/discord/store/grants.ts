import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';

/** A user's permission for the application, by OAuth2. */
export interface Grant {
  readonly userId: string;
  readonly scopes: readonly string[];
}

interface Token extends Grant {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

const LIFETIME_MS = 7 * 86_400_000;

/** The codes and tokens of OAuth2. A code and a refresh token work once. */
export class Grants {
  readonly #clock: Clock;
  readonly #codes = new Map<string, Grant>();
  readonly #byAccess = new Map<string, Token>();
  readonly #byRefresh = new Map<string, Token>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A user authorizes the application. @returns the code for the redirect */
  authorize(grant: Grant): string {
    const code = randomBytes(15).toString('base64url');
    this.#codes.set(code, grant);
    return code;
  }

  /** Exchanges a code for tokens. */
  exchange(code: string): Token | null {
    const grant = this.#codes.get(code);
    this.#codes.delete(code);
    return grant === undefined ? null : this.#issue(grant);
  }

  refresh(refreshToken: string): Token | null {
    const token = this.#byRefresh.get(refreshToken);
    if (token === undefined) return null;
    this.revoke(token.accessToken);
    return this.#issue(token);
  }

  /** @param token an access token or a refresh token */
  revoke(token: string): void {
    const found = this.#byAccess.get(token) ?? this.#byRefresh.get(token);
    this.#byAccess.delete(found?.accessToken ?? '');
    this.#byRefresh.delete(found?.refreshToken ?? '');
  }

  /** The token of an `Authorization: Bearer` header, or null if it is unknown or expired. */
  find(accessToken: string): Token | null {
    const token = this.#byAccess.get(accessToken);
    return token === undefined || token.expiresAt <= this.#clock.now() ? null : token;
  }

  #issue({ userId, scopes }: Grant): Token {
    const [accessToken, refreshToken] = [randomBytes(22).toString('base64url'), randomBytes(22).toString('base64url')];
    const token = { userId, scopes, accessToken, refreshToken, expiresAt: this.#clock.now() + LIFETIME_MS };
    this.#byAccess.set(accessToken, token);
    this.#byRefresh.set(refreshToken, token);
    return token;
  }
}
