import { discordShard } from '../../routing/discord-shards.ts';
import type { BesideStore } from './beside-store.ts';

type Json = Readonly<Record<string, unknown>>;

/** The guild without its lists. */
const BASE = 'guild';
/** Its number of members: apart, because it changes with each join. */
const MEMBER_COUNT = 'member_count';
/** Discord has listed the guild in READY and has not sent it yet. */
const EXPECTED = 'expected';
/** Discord cannot reach the guild at present. */
const OUTAGE = 'outage';

/** The lists of a GUILD_CREATE whose entries change one at a time, with the id of an entry. The rest stays with the guild. */
const LISTS: Readonly<Record<string, (entry: Json) => string>> = Object.freeze({
  channels: ({ id }) => String(id),
  threads: ({ id }) => String(id),
  roles: ({ id }) => String(id),
  members: ({ user }) => String((user as Json).id),
  voice_states: ({ user_id: userId }) => String(userId),
  presences: ({ user }) => String((user as Json).id),
  stage_instances: ({ id }) => String(id),
  guild_scheduled_events: ({ id }) => String(id),
  soundboard_sounds: ({ sound_id: soundId }) => String(soundId),
});

/** Events that add, change or remove one entry of a list. */
const PUT: Readonly<Record<string, string>> = Object.freeze({
  CHANNEL_CREATE: 'channels',
  CHANNEL_UPDATE: 'channels',
  THREAD_CREATE: 'threads',
  STAGE_INSTANCE_CREATE: 'stage_instances',
  STAGE_INSTANCE_UPDATE: 'stage_instances',
  GUILD_SCHEDULED_EVENT_CREATE: 'guild_scheduled_events',
  GUILD_SCHEDULED_EVENT_UPDATE: 'guild_scheduled_events',
  GUILD_SOUNDBOARD_SOUND_CREATE: 'soundboard_sounds',
  GUILD_SOUNDBOARD_SOUND_UPDATE: 'soundboard_sounds',
});
const REMOVE: Readonly<Record<string, string>> = Object.freeze({
  THREAD_DELETE: 'threads',
  STAGE_INSTANCE_DELETE: 'stage_instances',
  GUILD_SCHEDULED_EVENT_DELETE: 'guild_scheduled_events',
  GUILD_SOUNDBOARD_SOUND_DELETE: 'soundboard_sounds',
});

/**
 * The guilds of this pod as the bot has been told of them. It follows the events that are handed to the bot, so that a bot that
 * starts again gets READY and its guilds at once, without an identify at Discord. On disk: a guild with all its lists may take
 * half a megabyte.
 *
 * Methods that change it run inside {@link BesideStore.write}.
 */
export class GuildCache {
  readonly #store: BesideStore;
  readonly #owns: (guildId: string) => boolean;
  readonly #expected: Set<string>;

  /** @param owns whether a guild is this pod's: the rows of one that has left are removed bit by bit */
  constructor(store: BesideStore, owns: (guildId: string) => boolean) {
    this.#store = store;
    this.#owns = owns;
    this.#expected = new Set(store.guildsWith(EXPECTED));
  }

  /** Ids of all guilds, also of those that Discord has not sent yet. */
  ids(): string[] {
    const known = new Set([...this.#store.guildsWith(BASE), ...this.#expected]);
    return [...known].filter(this.#owns).toSorted();
  }

  /** Guilds that Discord has listed and not sent yet. */
  get expectedCount(): number {
    return this.#expected.size;
  }

  /** Takes the list of a new session of a shard. Guilds that it lacks have removed the bot, or have another owner now. */
  replaceShard(shard: number, shardCount: number, guildIds: readonly string[]): void {
    const listed = new Set(guildIds);
    for (const id of this.ids()) {
      if (discordShard(id, shardCount) === shard && !listed.has(id)) this.#removeGuild(id);
    }
    for (const id of guildIds) {
      this.#store.put(id, { part: EXPECTED, id: '', value: true });
      this.#expected.add(id);
    }
  }

  isExpected(guildId: string): boolean {
    return this.#expected.has(guildId);
  }

  /** The GUILD_CREATE of a guild, or null while Discord has not sent it or cannot reach it. */
  guildCreate(guildId: string): Json | null {
    const lists: Record<string, unknown[]> = Object.fromEntries(Object.keys(LISTS).map((list) => [list, []]));
    let base: Json | null = null;
    let count: unknown;
    for (const { part, value } of this.#store.parts(guildId)) {
      if (part === OUTAGE) return null;
      if (part === BASE) base = value as Json;
      else if (part === MEMBER_COUNT) count = value;
      else lists[part]?.push(value);
    }
    return base === null ? null : { ...base, ...lists, member_count: count, unavailable: false };
  }

  /** Follows one event that is handed to the bot. Events that change no guild are ignored. */
  follow(name: string, guildId: string, given: unknown): void {
    const data = given as Json;
    const put = PUT[name];
    if (put !== undefined) {
      this.#putEntry(guildId, put, data);
      return;
    }
    const removed = REMOVE[name];
    if (removed !== undefined) {
      this.#store.remove(guildId, removed, String(data.id ?? data.sound_id));
      return;
    }
    switch (name) {
      case 'GUILD_CREATE':
        this.#create(guildId, data);
        break;
      case 'GUILD_UPDATE':
        this.#update(guildId, data);
        break;
      case 'GUILD_DELETE':
        if (data.unavailable === true) this.#store.put(guildId, { part: OUTAGE, id: '', value: true });
        else this.#removeGuild(guildId);
        break;
      case 'GUILD_EMOJIS_UPDATE':
        this.#merge(guildId, { emojis: data.emojis });
        break;
      case 'GUILD_STICKERS_UPDATE':
        this.#merge(guildId, { stickers: data.stickers });
        break;
      case 'GUILD_ROLE_CREATE':
      case 'GUILD_ROLE_UPDATE':
        this.#putEntry(guildId, 'roles', data.role as Json);
        break;
      case 'GUILD_ROLE_DELETE':
        this.#store.remove(guildId, 'roles', String(data.role_id));
        break;
      case 'CHANNEL_DELETE':
        this.#deleteChannel(guildId, String(data.id));
        break;
      case 'THREAD_UPDATE':
        if ((data.thread_metadata as Json | undefined)?.archived === true)
          this.#store.remove(guildId, 'threads', String(data.id));
        else this.#putEntry(guildId, 'threads', data);
        break;
      case 'THREAD_LIST_SYNC':
        for (const thread of data.threads as readonly Json[]) this.#putEntry(guildId, 'threads', thread);
        break;
      case 'GUILD_MEMBER_ADD':
        this.#addMember(guildId, data);
        break;
      case 'GUILD_MEMBER_UPDATE':
        this.#updateMember(guildId, data);
        break;
      case 'GUILD_MEMBER_REMOVE':
        this.#removeMember(guildId, String((data.user as Json).id));
        break;
      case 'VOICE_STATE_UPDATE':
        if (data.channel_id === null) this.#store.remove(guildId, 'voice_states', String(data.user_id));
        else this.#putEntry(guildId, 'voice_states', without(data, 'member'));
        break;
      case 'PRESENCE_UPDATE':
        if (data.status === 'offline') this.#store.remove(guildId, 'presences', String((data.user as Json).id));
        else this.#putEntry(guildId, 'presences', data);
        break;
    }
  }

  #create(guildId: string, data: Json): void {
    if (data.unavailable === true) {
      this.#store.put(guildId, { part: OUTAGE, id: '', value: true });
      return;
    }
    this.#removeGuild(guildId);
    const base: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(data)) {
      if (key === MEMBER_COUNT) this.#store.put(guildId, { part: MEMBER_COUNT, id: '', value });
      else if (!Object.hasOwn(LISTS, key)) base[key] = value;
      else for (const entry of (value ?? []) as readonly Json[]) this.#putEntry(guildId, key, entry);
    }
    this.#store.put(guildId, { part: BASE, id: '', value: base });
  }

  #removeGuild(guildId: string): void {
    this.#store.removeGuild(guildId);
    this.#expected.delete(guildId);
  }

  #update(guildId: string, data: Json): void {
    if (Array.isArray(data.roles)) {
      this.#store.removeList(guildId, 'roles');
      for (const role of data.roles as readonly Json[]) this.#putEntry(guildId, 'roles', role);
    }
    const lists = new Set([...Object.keys(LISTS), MEMBER_COUNT]);
    this.#merge(guildId, Object.fromEntries(Object.entries(data).filter(([key]) => !lists.has(key))));
  }

  #merge(guildId: string, changes: Json): void {
    const base = this.#store.part(guildId, BASE) as Json | undefined;
    if (base !== undefined) this.#store.put(guildId, { part: BASE, id: '', value: { ...base, ...changes } });
  }

  /** Discord says nothing of the threads of a deleted channel. */
  #deleteChannel(guildId: string, channelId: string): void {
    this.#store.remove(guildId, 'channels', channelId);
    for (const { part, id, value } of [...this.#store.parts(guildId)]) {
      if (part === 'threads' && (value as Json).parent_id === channelId) this.#store.remove(guildId, part, id);
    }
  }

  #addMember(guildId: string, member: Json): void {
    const base = this.#store.part(guildId, BASE) as Json | undefined;
    if (base === undefined) return;
    // Discord does not list the members of a large guild either.
    if (base.large !== true) this.#putEntry(guildId, 'members', member);
    this.#count(guildId, 1);
  }

  #updateMember(guildId: string, member: Json): void {
    const { id } = member.user as Json;
    const known = this.#store.part(guildId, 'members', String(id)) as Json | undefined;
    if (known !== undefined) this.#putEntry(guildId, 'members', { ...known, ...member });
  }

  #removeMember(guildId: string, userId: string): void {
    if (this.#store.part(guildId, BASE) === undefined) return;
    for (const list of ['members', 'presences', 'voice_states']) this.#store.remove(guildId, list, userId);
    this.#count(guildId, -1);
  }

  #count(guildId: string, by: number): void {
    const count = this.#store.part(guildId, MEMBER_COUNT);
    if (typeof count === 'number') this.#store.put(guildId, { part: MEMBER_COUNT, id: '', value: count + by });
  }

  /** An entry of a GUILD_CREATE does not name its guild. Channels and presences may; libraries ignore it there. */
  #putEntry(guildId: string, list: string, entry: Json): void {
    const id = (LISTS[list] as (entry: Json) => string)(entry);
    this.#store.put(guildId, { part: list, id, value: without(entry, 'guild_id') });
  }
}

const without = (value: Json, key: string): Json =>
  Object.fromEntries(Object.entries(value).filter(([name]) => name !== key));
