import type { FileStore } from '../store/files.ts';
import type { StoredMessage } from '../store/messages.ts';
import { channelOf, type SimulatedGuild } from '../world/guild.ts';
import { channelPermissions } from '../world/permissions.ts';
import type { World } from '../world/world.ts';
import type { AttachmentInput } from './input.ts';

/** The fields of a channel that Discord sends in `resolved`, in addition to the permissions. */
const CHANNEL_FIELDS = [
  ...['id', 'name', 'type', 'last_message_id', 'last_pin_timestamp', 'nsfw', 'parent_id', 'guild_id', 'flags'],
  ...['rate_limit_per_user', 'topic', 'position', 'thread_metadata'],
];

interface ResolvedParts {
  readonly world: World;
  readonly files: FileStore;
  readonly guild: SimulatedGuild | null;
  readonly channelId: string;
  /** The user of the command or component, whose permissions are part of a resolved channel. */
  readonly userId: string;
}

/** Collects the objects for the ids in options, targets, select menus and modals. */
export class Resolved {
  readonly #parts: ResolvedParts;
  readonly #found: Record<string, Record<string, unknown>> = {};

  constructor(parts: ResolvedParts) {
    this.#parts = parts;
  }

  user(id: string): void {
    const { world, guild } = this.#parts;
    this.#put('users', id, world.user(id));
    const member = guild?.members.get(id);
    if (guild === null || member === undefined) return;
    const { user: _user, deaf: _deaf, mute: _mute, ...partial } = member;
    const channel = channelOf(guild, this.#parts.channelId);
    this.#put('members', id, { ...partial, permissions: channelPermissions(guild, id, channel).toString() });
  }

  channel(id: string): void {
    const { world, guild, userId } = this.#parts;
    const channel = guild === null ? undefined : channelOf(guild, id);
    if (guild === null || channel === undefined) return;
    const fields = Object.entries(channel).filter(([name]) => CHANNEL_FIELDS.includes(name));
    this.#put('channels', id, {
      ...Object.fromEntries(fields),
      permissions: channelPermissions(guild, userId, channel).toString(),
      app_permissions: channelPermissions(guild, world.bot.id, channel).toString(),
    });
  }

  role(id: string): void {
    const role = this.#parts.guild?.roles.find((one) => one.id === id);
    if (role !== undefined) this.#put('roles', id, role);
  }

  message(stored: StoredMessage): void {
    this.#put('messages', stored.message.id, stored.message);
  }

  mentionable(id: string): void {
    if (this.#parts.guild?.roles.some((role) => role.id === id)) this.role(id);
    else this.user(id);
  }

  /** Adds a file, given with content or only by name. @returns the attachment's id */
  attachment(input: string | AttachmentInput): string {
    const {
      filename,
      contentType = 'text/plain',
      content = '',
    } = typeof input === 'string' ? { filename: input } : input;
    const file = { key: '', name: filename, contentType, content: Buffer.from(content) };
    const attachment = { ...this.#parts.files.add(this.#parts.channelId, file, undefined), ephemeral: true };
    this.#put('attachments', attachment.id, attachment);
    return attachment.id;
  }

  /** Adds the selected objects of a menu of this type. The values of a string select name no objects. */
  selected(componentType: unknown, values: readonly string[]): void {
    for (const value of values) {
      if (componentType === 5) this.user(value);
      else if (componentType === 6) this.role(value);
      else if (componentType === 7) this.mentionable(value);
      else if (componentType === 8) this.channel(value);
    }
  }

  /** `{ resolved }`, or `{}` if it is empty. */
  toJSON(): { resolved?: object } {
    return Object.keys(this.#found).length === 0 ? {} : { resolved: this.#found };
  }

  #put(kind: string, id: string, value: unknown): void {
    this.#found[kind] ??= {};
    this.#found[kind][id] = value;
  }
}
