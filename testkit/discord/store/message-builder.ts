import type { APIAttachment, APIMessage, APIUser } from 'discord-api-types/v10';
import type { SnowflakeSource } from '../snowflake.ts';
import { snowflakeTime } from '../snowflake.ts';
import type { World } from '../world/world.ts';
import type { FileStore, UploadedFile } from './files.ts';

/** The body of a request that creates or edits a message, as far as it is used; checked by validate-message.ts. */
export interface MessageBody {
  content?: string | null;
  embeds?: Record<string, unknown>[] | null;
  components?: Record<string, unknown>[] | null;
  attachments?: { id: string | number; filename?: string; description?: string }[] | null;
  flags?: number | null;
  tts?: boolean;
  poll?: unknown;
  message_reference?: { message_id: string; channel_id?: string; guild_id?: string };
  sticker_ids?: string[];
}

export const EPHEMERAL = 64;
export const LOADING = 128;
/** Flags that a bot may set: SUPPRESS_EMBEDS, EPHEMERAL, SUPPRESS_NOTIFICATIONS, IS_VOICE_MESSAGE, IS_COMPONENTS_V2. */
const SETTABLE_FLAGS = 4 | EPHEMERAL | 4096 | 8192 | 32768;
const MENTION = /<@!?(\d{1,20})>/g;

interface NewMessage {
  readonly id: string;
  readonly channelId: string;
  readonly author: APIUser;
  readonly body: MessageBody;
  readonly files: readonly UploadedFile[];
  /** Further fields: the interaction's metadata, webhook_id, type. */
  readonly extra?: Record<string, unknown> | undefined;
}

/** Turns what clients send into the message objects that Discord sends. */
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
    const { body } = message;
    const content = body.content ?? '';
    const reference = body.message_reference;
    return {
      id: message.id,
      type: reference === undefined ? 0 : 19,
      channel_id: message.channelId,
      author: message.author,
      content,
      timestamp: new Date(snowflakeTime(message.id)).toISOString(),
      edited_timestamp: null,
      tts: body.tts ?? false,
      mention_everyone: false,
      mentions: this.#mentions(content),
      mention_roles: [],
      attachments: this.#attachments(message.channelId, body, message.files, []),
      embeds: embeds(body),
      components: numberComponents(body.components),
      pinned: false,
      flags: (body.flags ?? 0) & SETTABLE_FLAGS,
      ...(reference === undefined
        ? {}
        : { message_reference: { type: 0, channel_id: message.channelId, ...reference } }),
      ...message.extra,
    } as unknown as APIMessage;
  }

  /** What a message is after an edit: fields that the body does not name stay. */
  edit(message: APIMessage, body: MessageBody, files: readonly UploadedFile[]): APIMessage {
    const content = body.content === undefined ? message.content : (body.content ?? '');
    const keepsAttachments = body.attachments === undefined && files.length === 0;
    return {
      ...message,
      content,
      mentions: body.content === undefined ? message.mentions : this.#mentions(content),
      embeds: body.embeds === undefined ? message.embeds : embeds(body),
      components: body.components === undefined ? message.components : numberComponents(body.components),
      attachments: keepsAttachments
        ? message.attachments
        : this.#attachments(message.channel_id, body, files, message.attachments),
      flags: editedFlags(message.flags ?? 0, body.flags),
      edited_timestamp: new Date(snowflakeTime(this.#ids.next())).toISOString(),
    } as unknown as APIMessage;
  }

  #mentions(content: string): APIUser[] {
    if (!content.includes('<@')) return [];
    const ids = new Set([...content.matchAll(MENTION)].map((match) => match[1] as string));
    return [...ids].map((id) => this.#world.user(id));
  }

  /** `attachments` names the old ones to keep by id, and describes new files by their number in `files[n]`. */
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

function editedFlags(flags: number, wanted: number | null | undefined): number {
  if (wanted === null || wanted === undefined) return flags;
  return (flags & ~4) | (wanted & (4 | 32768));
}

function embeds(body: MessageBody): object[] {
  return (body.embeds ?? []).map((embed) => ({ type: 'rich', ...embed }));
}

/** Discord numbers the components of a message or modal that carry no id of their own. */
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

/** Every component of a message or modal, however deep. */
export function* eachComponent(list: unknown): Generator<Record<string, unknown>> {
  if (Array.isArray(list)) {
    for (const one of list) yield* eachComponent(one);
  } else if (list !== null && typeof list === 'object') {
    const one = list as Record<string, unknown>;
    yield one;
    for (const child of ['components', 'accessory', 'component']) yield* eachComponent(one[child]);
  }
}
