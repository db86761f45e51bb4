import type { APIDMChannel, APIUser } from 'discord-api-types/v10';
import { ChannelType } from 'discord-api-types/v10';
import { shardOf, snowflakeAfter, snowflakeAt } from '../snowflake.ts';
import { GenerationCache } from '../store/generation-cache.ts';
import { type GuildChannel, isThread, type ThreadChannel } from './channel.ts';
import { channelOf, createGuild, guildOfFirstChannel, type SimulatedGuild } from './guild.ts';
import { Presences } from './presence.ts';
import { Random } from './random.ts';
import { createBotUser, createUser, createUserIds } from './users.ts';

/** The number of cached guilds and users. Others are recreated from their ids. */
const CACHED = 20_000;
const FIRST_GUILD = Date.UTC(2015, 8, 1);
const LAST_GUILD = Date.UTC(2026, 5, 1);

/** The guilds that the bot is in, in creation order. Each is created on first use. */
export interface GuildDirectory extends Iterable<SimulatedGuild> {
  readonly ids: readonly string[];
  readonly size: number;
  /** @throws RangeError if there are fewer guilds */
  at(index: number): SimulatedGuild;
  get(guildId: string): SimulatedGuild | undefined;
}

export type SimulatedChannel = GuildChannel | APIDMChannel;

/** Guilds, channels and users. All of them follow from the seed. */
export class World {
  readonly bot: APIUser;
  /** Users who do not accept direct messages from the bot. */
  readonly closedToDirectMessages = new Set<string>();
  readonly guilds: GuildDirectory;
  readonly presences = new Presences();
  readonly #seed: number;
  readonly #membership: { readonly user: APIUser; readonly permissions: bigint };
  readonly #people: readonly string[];
  readonly #peopleIds: ReadonlySet<string>;
  readonly #users = new GenerationCache<APIUser>(CACHED);
  readonly #ids: string[];
  readonly #known: Set<string>;
  readonly #guilds = new GenerationCache<SimulatedGuild>(CACHED);
  /** Guilds that have changed since their creation, and so cannot be recreated from their ids. */
  readonly #changed = new Map<string, SimulatedGuild>();
  /** Guilds that the bot is not in. Any id is possible. */
  readonly #strangers = new GenerationCache<SimulatedGuild>(CACHED);
  /** Guilds of channels and threads that were created later. Their ids do not determine the guild. */
  readonly #guildOfChannel = new Map<string, string>();
  readonly #byShard = new Map<number, string[][]>();

  constructor(options: { seed: number; guilds: number; applicationId: string; botPermissions: bigint }) {
    this.#seed = options.seed;
    this.bot = createBotUser(options.applicationId);
    this.#membership = { user: this.bot, permissions: options.botPermissions };
    const random = new Random(options.seed);
    this.#people = createUserIds(Math.min(5000, Math.max(60, options.guilds * 2)), random);
    this.#peopleIds = new Set(this.#people);
    this.#ids = createGuildIds(options.guilds, random);
    this.#known = new Set(this.#ids);
    this.guilds = this.#directory();
  }

  /** A guild that the bot is in. */
  guild(guildId: string): SimulatedGuild | undefined {
    const cached = this.#cached(guildId);
    if (cached !== undefined || !this.#known.has(guildId)) return cached;
    const guild = createGuild(guildId, this.#seed, this.#people, this.#membership);
    this.#guilds.set(guildId, guild);
    return guild;
  }

  /** Like `guild`, but does not cache a guild that nothing has used yet: for reading all guilds, such as at the start of a session. */
  peek(guildId: string): SimulatedGuild | undefined {
    const cached = this.#cached(guildId);
    if (cached !== undefined || !this.#known.has(guildId)) return cached;
    return createGuild(guildId, this.#seed, this.#people, this.#membership);
  }

  #cached(guildId: string): SimulatedGuild | undefined {
    return this.#known.has(guildId) ? (this.#changed.get(guildId) ?? this.#guilds.get(guildId)) : undefined;
  }

  /** Any guild: one that the bot is in, or one that it has never seen. */
  anyGuild(guildId: string): SimulatedGuild {
    const known = this.guild(guildId) ?? this.#strangers.get(guildId);
    if (known !== undefined) return known;
    const stranger = createGuild(guildId, this.#seed, this.#people, null);
    this.#strangers.set(guildId, stranger);
    return stranger;
  }

  /** Must be called before a change of a guild, so that the cache does not drop the change. */
  keep(guild: SimulatedGuild): void {
    this.#changed.set(guild.id, guild);
  }

  /** The bot leaves a guild. @returns whether the bot was in the guild */
  leave(guildId: string): boolean {
    if (!this.#known.delete(guildId)) return false;
    this.#ids.splice(this.#ids.indexOf(guildId), 1);
    this.#byShard.clear();
    return true;
  }

  /**
   * The bot joins a guild. Its members and channels follow from the id, as in every guild.
   * @param guildId a multiple of 16, because the ids of roles and channels follow the guild's id
   * @throws RangeError if it is not
   */
  join(guildId: string): SimulatedGuild {
    if (BigInt(guildId) % 16n !== 0n) throw new RangeError(`the guild id ${guildId} must be a multiple of 16`);
    const known = this.guild(guildId);
    if (known !== undefined) return known;
    const guild = createGuild(guildId, this.#seed, this.#people, this.#membership);
    this.#known.add(guildId);
    this.#ids.push(guildId);
    this.#byShard.clear();
    this.keep({ ...guild, joinedAt: new Date().toISOString() });
    return this.guild(guildId) as SimulatedGuild;
  }

  addChannel(guild: SimulatedGuild, channel: GuildChannel): void {
    this.keep(guild);
    guild.channels.push(channel);
    this.#guildOfChannel.set(channel.id, guild.id);
  }

  addThread(guild: SimulatedGuild, thread: ThreadChannel): void {
    this.keep(guild);
    guild.threads.push(thread);
    this.#guildOfChannel.set(thread.id, guild.id);
  }

  /** Removes a channel with its threads, or a thread. */
  removeChannel(guild: SimulatedGuild, channelId: string): void {
    this.keep(guild);
    remove(guild.channels, (one) => one.id === channelId);
    remove(guild.threads, (one) => one.id === channelId || one.parent_id === channelId);
    this.#guildOfChannel.delete(channelId);
  }

  /** Updates the channel of a new message. Its event is that of the message. */
  noteMessage(channelId: string, messageId: string): void {
    const channel = this.channel(channelId);
    if (channel === undefined || !('guild_id' in channel)) return;
    channel.last_message_id = messageId;
    if (!isThread(channel)) return;
    channel.message_count++;
    channel.total_message_sent++;
  }

  user(userId: string): APIUser {
    if (userId === this.bot.id) return this.bot;
    let user = this.#users.get(userId);
    if (user === undefined) {
      user = createUser(userId);
      this.#users.set(userId, user);
    }
    return user;
  }

  /** Users who are members of guilds or write direct messages to the bot. */
  get people(): readonly string[] {
    return this.#people;
  }

  /** The direct channel between the bot and a user. */
  directChannel(userId: string): APIDMChannel {
    return {
      id: snowflakeAfter(userId, 1),
      type: ChannelType.DM,
      last_message_id: null,
      flags: 0,
      recipients: [this.user(userId)],
    } as unknown as APIDMChannel;
  }

  /** A channel that the bot can see, or undefined. */
  channel(channelId: string): SimulatedChannel | undefined {
    if (!/^\d{1,20}$/.test(channelId)) return undefined;
    const guildId = this.#guildOfChannel.get(channelId) ?? guildOfFirstChannel(channelId);
    const guild = this.guild(guildId) ?? this.#strangers.get(guildId);
    const found = guild === undefined ? undefined : channelOf(guild, channelId);
    if (found !== undefined) return found;
    const userId = snowflakeAfter(channelId, -1);
    return this.#users.get(userId) !== undefined || this.#peopleIds.has(userId)
      ? this.directChannel(userId)
      : undefined;
  }

  /** Ids of the bot's guilds on a shard. */
  guildsOfShard(shard: number, numShards: number): readonly string[] {
    let shards = this.#byShard.get(numShards);
    if (shards === undefined) {
      shards = Array.from({ length: numShards }, () => []);
      for (const id of this.#ids) shards[shardOf(id, numShards)]?.push(id);
      this.#byShard.set(numShards, shards);
    }
    return shards[shard] ?? [];
  }

  #directory(): GuildDirectory {
    const ids = this.#ids;
    const get = (guildId: string) => this.guild(guildId);
    return {
      ids,
      get size() {
        return ids.length;
      },
      get,
      at(index) {
        const guild = get(ids[index] ?? '');
        if (guild === undefined) throw new RangeError(`there is no guild ${index}: the bot is in ${ids.length} guilds`);
        return guild;
      },
      *[Symbol.iterator]() {
        for (const id of ids) yield get(id) as SimulatedGuild;
      },
    };
  }
}

function remove<T>(list: T[], isIt: (one: T) => boolean): void {
  for (let index = list.length - 1; index >= 0; index--) if (isIt(list[index] as T)) list.splice(index, 1);
}

/** Ids from all of Discord's years, more of them recent. Multiples of 16, because ids of roles and channels follow the guild's id. */
function createGuildIds(count: number, random: Random): string[] {
  const ids = new Set<string>();
  while (ids.size < count) {
    const share = Math.sqrt(random.uint32() / 0x1_0000_0000);
    const at = FIRST_GUILD + share * (LAST_GUILD - FIRST_GUILD);
    ids.add(snowflakeAt(at, (random.below(32) << 17) | (random.below(32) << 12) | (random.below(32) * 16)));
  }
  return [...ids];
}
