import type { APIAttachment, APIMessage, APIUser } from 'discord-api-types/v10';
import type { SnowflakeSource } from '../snowflake.ts';
import { snowflakeTime } from '../snowflake.ts';
import type { SimulatedGuild } from '../world/guild.ts';
import type { World } from '../world/world.ts';
import type { FileStore, UploadedFile } from './files.ts';
import { mentionsOf } from './mentions.ts';

/** The supported fields of a request that creates or edits a message, validated by validate-message.ts. */
export interface MessageBody {
  content?: string | null;
  embeds?: Record<string, unknown>[] | null;
  components?: Record<string, unknown>[] | null;
  attachments?: { id: string | number; filename?: string; description?: string }[] | null;
  flags?: number | null;
  tts?: boolean;
  poll?: unknown;
  message_reference?: {
    /** 0: a reply; 1: a forwarded message. */
    type?: number;
    message_id: string;
    channel_id?: string;
    guild_id?: string;
    fail_if_not_exists?: boolean;
  };
  allowed_mentions?: { parse?: string[]; users?: string[]; roles?: string[]; replied_user?: boolean } | null;
  nonce?: string | number;
  enforce_nonce?: boolean;
  sticker_ids?: string[];
}

export const EPHEMERAL = 64;
export const LOADING = 128;
/** Flags that a bot may set: SUPPRESS_EMBEDS, EPHEMERAL, SUPPRESS_NOTIFICATIONS, IS_VOICE_MESSAGE, IS_COMPONENTS_V2. */
const SETTABLE_FLAGS = 4 | EPHEMERAL | 4096 | 8192 | 32768;
const FORWARD = 1;

interface NewMessage {
  readonly id: string;
  readonly channelId: string;
  readonly author: APIUser;
  readonly body: MessageBody;
  readonly files: readonly UploadedFile[];
  /** The message that this one replies to or forwards. */
  readonly referenced?: APIMessage | null | undefined;
  /** Whether `@everyone` and `@here` mention anyone. Default true. */
  readonly mayMentionEveryone?: boolean | undefined;
  /** Further fields: the interaction's metadata, webhook_id, type. */
  readonly extra?: Record<string, unknown> | undefined;
}

/** Builds Discord's message objects from request bodies. */
export class MessageBuilder {
  readonly #ids: SnowflakeSource;
  readonly #world: World;
  readonly #files: FileStore;

  constructor(ids: SnowflakeSource, world: World, files: FileStore) {
    this.#ids = ids;
    this.#world = world;
    this.#files = files;
  }

  build(message: NewMessage): APIMessage {
    const { body, referenced = null } = message;
    const content = body.content ?? '';
    const isForward = body.message_reference?.type === FORWARD;
    const isReply = body.message_reference !== undefined && !isForward;
    return {
      id: message.id,
      type: isReply ? 19 : 0,
      channel_id: message.channelId,
      author: message.author,
      content,
      timestamp: new Date(snowflakeTime(message.id)).toISOString(),
      edited_timestamp: null,
      tts: body.tts ?? false,
      ...this.#mentions(content, body, isReply ? (referenced?.author.id ?? null) : null),
      ...(message.mayMentionEveryone === false ? this.#withoutPings(message.channelId, content, body) : {}),
      ...(body.sticker_ids?.length ? { sticker_items: this.#stickers(message.channelId, body.sticker_ids) } : {}),
      attachments: this.#attachments(message.channelId, body, message.files, []),
      embeds: embeds(body),
      components: numberComponents(body.components),
      pinned: false,
      flags: (body.flags ?? 0) & SETTABLE_FLAGS,
      ...reference(message, isForward),
      ...(isReply ? { referenced_message: referenced } : {}),
      ...(isForward && referenced !== null ? { message_snapshots: [{ message: snapshot(referenced) }] } : {}),
      ...message.extra,
    } as unknown as APIMessage;
  }

  /** The message after an edit. Fields that the body omits do not change. */
  edit(message: APIMessage, body: MessageBody, files: readonly UploadedFile[]): APIMessage {
    const content = body.content === undefined ? message.content : (body.content ?? '');
    const keepsAttachments = body.attachments === undefined && files.length === 0;
    return {
      ...message,
      content,
      ...(body.content === undefined ? {} : this.#mentions(content, body, null)),
      embeds: body.embeds === undefined ? message.embeds : embeds(body),
      components: body.components === undefined ? message.components : numberComponents(body.components),
      attachments: keepsAttachments
        ? message.attachments
        : this.#attachments(message.channel_id, body, files, message.attachments),
      flags: editedFlags(message.flags ?? 0, body.flags),
      edited_timestamp: new Date(snowflakeTime(this.#ids.next())).toISOString(),
    } as unknown as APIMessage;
  }

  #mentions(content: string, body: MessageBody, repliedTo: string | null): object {
    const { userIds, roleIds, everyone } = mentionsOf(content, body.allowed_mentions, repliedTo);
    const mentions = userIds.map((id) => this.#world.user(id));
    return { mentions, mention_roles: roleIds, mention_everyone: everyone };
  }

  /** Without the permission MentionEveryone only roles that are mentionable are mentioned. */
  #withoutPings(channelId: string, content: string, body: MessageBody): object {
    const { roleIds } = mentionsOf(content, body.allowed_mentions, null);
    const roles = this.#guild(channelId)?.roles ?? [];
    const isMentionable = (id: string): boolean => roles.some((role) => role.id === id && role.mentionable);
    return { mention_everyone: false, mention_roles: roleIds.filter(isMentionable) };
  }

  #stickers(channelId: string, ids: readonly string[]): object[] {
    const stickers = this.#guild(channelId)?.stickers ?? [];
    return stickers
      .filter(({ id }) => ids.includes(id))
      .map(({ id, name, format_type }) => ({ id, name, format_type }));
  }

  #guild(channelId: string): SimulatedGuild | undefined {
    const channel = this.#world.channel(channelId);
    return channel !== undefined && 'guild_id' in channel ? this.#world.guild(String(channel.guild_id)) : undefined;
  }

  /** `attachments` lists existing attachments to keep by id, and describes new files by their number in `files[n]`. */
  #attachments(
    channelId: string,
    body: MessageBody,
    files: readonly UploadedFile[],
    existing: readonly APIAttachment[],
  ): APIAttachment[] {
    const named = body.attachments;
    const kept =
      named === undefined || named === null
        ? [...existing]
        : existing.filter((one) => named.some(({ id }) => id === one.id));
    const added = files.map((file) => {
      const described = named?.find(({ id }) => String(id) === file.key);
      return this.#files.add(channelId, { ...file, name: described?.filename ?? file.name }, described?.description);
    });
    return [...kept, ...added];
  }
}

function reference({ body, channelId }: NewMessage, isForward: boolean): object {
  if (body.message_reference === undefined) return {};
  const { fail_if_not_exists: _, ...given } = body.message_reference;
  return { message_reference: { type: isForward ? FORWARD : 0, channel_id: channelId, ...given } };
}

/** The snapshot of a message that a forwarded message shows. */
function snapshot(message: APIMessage): object {
  const {
    content,
    embeds,
    attachments,
    timestamp,
    edited_timestamp,
    flags,
    mentions,
    mention_roles,
    type,
    components,
  } = message;
  return {
    content,
    embeds,
    attachments,
    timestamp,
    edited_timestamp,
    flags,
    mentions,
    mention_roles,
    type,
    components,
  };
}

function editedFlags(flags: number, wanted: number | null | undefined): number {
  if (wanted === null || wanted === undefined) return flags;
  return (flags & ~4) | (wanted & (4 | 32768));
}

function embeds(body: MessageBody): object[] {
  return (body.embeds ?? []).map((embed) => ({ type: 'rich', ...embed }));
}

/** Numbers the components of a message or modal that have no id, like Discord. */
export function numberComponents(components: readonly unknown[] | null | undefined): object[] {
  let next = 1;
  const number = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(number);
    if (value === null || typeof value !== 'object') return value;
    const one = value as Record<string, unknown>;
    if (typeof one.type !== 'number') return value;
    const numbered: Record<string, unknown> = { id: next++, ...one };
    for (const child of ['components', 'accessory', 'component']) {
      if (one[child] !== undefined) numbered[child] = number(one[child]);
    }
    return numbered;
  };
  return (components ?? []).map(number) as object[];
}

/** Every component of a message or modal, at all depths. */
export function* eachComponent(list: unknown): Generator<Record<string, unknown>> {
  if (Array.isArray(list)) {
    for (const one of list) yield* eachComponent(one);
  } else if (list !== null && typeof list === 'object') {
    const one = list as Record<string, unknown>;
    yield one;
    for (const child of ['components', 'accessory', 'component']) yield* eachComponent(one[child]);
  }
}
