import { hashText } from './random.ts';

/** A user's presence in the form of the gateway, without the user and the guild. */
export interface Presence {
  readonly status: 'online' | 'idle' | 'dnd' | 'offline';
  readonly activities: readonly object[];
}

const OFFLINE: Presence = Object.freeze({ status: 'offline', activities: [] });
const SEEDED: readonly Presence['status'][] = ['online', 'idle', 'dnd', 'offline', 'offline', 'offline'];

/** The presences of users. Until one changes, it follows from the user's id. */
export class Presences {
  readonly #changed = new Map<string, Presence>();

  get(userId: string): Presence {
    return this.#changed.get(userId) ?? seeded(userId);
  }

  set(userId: string, presence: Presence): void {
    this.#changed.set(userId, presence);
  }

  /** A presence as in GUILD_CREATE and PRESENCE_UPDATE. */
  json(userId: string): object {
    const { status, activities } = this.get(userId);
    return {
      user: { id: userId },
      status,
      activities,
      client_status: status === 'offline' ? {} : { desktop: status },
    };
  }
}

function seeded(userId: string): Presence {
  const status = SEEDED[hashText(`presence ${userId}`) % SEEDED.length] ?? 'offline';
  return status === 'offline' ? OFFLINE : { status, activities: [] };
}
