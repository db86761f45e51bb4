import { randomBytes } from 'node:crypto';

/** An invite to a channel. */
export interface StoredInvite {
  readonly code: string;
  readonly guildId: string;
  readonly channelId: string;
  readonly inviterId: string;
  /** Seconds; 0 means no expiry. */
  readonly maxAge: number;
  /** 0 means unlimited. */
  readonly maxUses: number;
  readonly temporary: boolean;
  readonly createdAt: string;
  uses: number;
}

/** Invites by their code. */
export class InviteStore {
  readonly #byCode = new Map<string, StoredInvite>();

  add(invite: Omit<StoredInvite, 'code' | 'uses' | 'createdAt'>): StoredInvite {
    const code = randomBytes(6).toString('base64url').replaceAll(/[-_]/g, 'x');
    const stored = { ...invite, code, uses: 0, createdAt: new Date().toISOString() };
    this.#byCode.set(code, stored);
    return stored;
  }

  get(code: string): StoredInvite | undefined {
    return this.#byCode.get(code);
  }

  delete(code: string): void {
    this.#byCode.delete(code);
  }

  of(guildId: string, channelId: string | null): StoredInvite[] {
    const fits = (one: StoredInvite): boolean =>
      one.guildId === guildId && (channelId === null || one.channelId === channelId);
    return [...this.#byCode.values()].filter(fits);
  }
}
