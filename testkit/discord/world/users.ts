import type { APIUser, UserFlags } from 'discord-api-types/v10';
import { snowflakeAt } from '../snowflake.ts';
import { USER_FIRST, USER_SECOND } from './names.ts';
import { hashText, Random } from './random.ts';

const FIRST_ACCOUNT = Date.UTC(2015, 8, 1);
const LAST_ACCOUNT = Date.UTC(2026, 0, 1);

/** A user. The name follows from the id, so any id is a valid user. */
export function createUser(id: string): APIUser {
  const random = new Random(hashText(id));
  const first = random.pick(USER_FIRST);
  const second = random.pick(USER_SECOND);
  return {
    id,
    username: `${first}.${second}${random.below(100)}`,
    global_name: `${first[0]?.toUpperCase()}${first.slice(1)} ${second[0]?.toUpperCase()}${second.slice(1)}`,
    discriminator: '0',
    avatar: null,
    public_flags: 0 as UserFlags,
  };
}

export function createBotUser(id: string): APIUser {
  return {
    id,
    username: 'guildway',
    global_name: null,
    discriminator: '4711',
    avatar: null,
    public_flags: 0 as UserFlags,
    bot: true,
  };
}

/** The ids of users from which guilds draw their members. They are multiples of 16, so the next id can be the DM channel. */
export function createUserIds(count: number, random: Random): string[] {
  const ids = new Set<string>();
  while (ids.size < count) {
    const at = FIRST_ACCOUNT + random.below((LAST_ACCOUNT - FIRST_ACCOUNT) / 1000) * 1000 + random.below(1000);
    ids.add(snowflakeAt(at, (random.below(32) << 17) | (random.below(32) << 12) | (random.below(16) * 16)));
  }
  return [...ids];
}
