import type { APIGuildMember } from 'discord-api-types/v10';
import type { CommandStore } from '../store/commands.ts';
import type { FileStore } from '../store/files.ts';
import { eachComponent } from '../store/message-builder.ts';
import type { MessageStore, StoredMessage } from '../store/messages.ts';
import { channelOf, type SimulatedGuild } from '../world/guild.ts';
import { channelPermissions, DIRECT_PERMISSIONS } from '../world/permissions.ts';
import { hashText } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { buildOptions, focus } from './command-options.ts';
import type { AutocompleteInput, CommandInput, ComponentInput, InteractionInput, ModalInput } from './input.ts';
import type { Modals } from './modals.ts';
import type { InteractionRecord, InteractionRecords, NewRecord } from './records.ts';
import { Resolved } from './resolved.ts';
import { submittedComponents } from './submitted-modal.ts';

interface PayloadParts {
  readonly world: World;
  readonly commands: CommandStore;
  readonly messages: MessageStore;
  readonly files: FileStore;
  readonly modals: Modals;
  readonly records: InteractionRecords;
}

/** An interaction that is not sent yet. */
export interface Prepared {
  readonly record: InteractionRecord;
  readonly payload: Record<string, unknown>;
}

interface Scene {
  readonly guild: SimulatedGuild | null;
  readonly channelId: string;
  readonly userId: string;
  readonly locale: string;
  readonly entitlements: readonly object[];
}

interface Place {
  readonly guildId: string | null;
  readonly channelId?: string | undefined;
  readonly userId?: string | undefined;
  readonly locale?: string | undefined;
  readonly entitlements?: readonly object[] | undefined;
}

/** Builds interactions in exactly Discord's form. */
export class PayloadBuilder {
  readonly #parts: PayloadParts;

  constructor(parts: PayloadParts) {
    this.#parts = parts;
  }

  /** @throws Error if the message, component or modal does not exist */
  prepare(input: InteractionInput): Prepared {
    switch (input.kind) {
      case 'command':
        return this.#command(input);
      case 'autocomplete':
        return this.#autocomplete(input);
      case 'component':
        return this.#component(input);
      case 'modal':
        return this.#modal(input);
    }
  }

  #command(input: CommandInput): Prepared {
    const scene = this.#scene(input);
    const type = input.type ?? 1;
    const definition = this.#parts.commands.find(input.guildId, type, input.name);
    const resolved = this.#resolved(scene);
    const definitions = definition !== undefined && 'options' in definition ? definition.options : undefined;
    const options = buildOptions(input.options, definitions, resolved);
    if (type === 2 && input.targetId !== undefined) resolved.user(input.targetId);
    if (type === 3) resolved.message(this.#message(input.targetId ?? '', scene.userId));
    const data = {
      id: definition?.id ?? unregisteredId(input.name),
      name: input.name,
      type,
      ...(definition?.guild_id === undefined ? {} : { guild_id: definition.guild_id }),
      ...(options.length === 0 ? {} : { options }),
      ...(input.targetId === undefined ? {} : { target_id: input.targetId }),
      ...resolved.toJSON(),
    };
    return this.#envelope(scene, { type: 2, name: input.name, commandType: type, sourceMessageId: null }, data);
  }

  #autocomplete(input: AutocompleteInput): Prepared {
    const scene = this.#scene(input);
    const definition = this.#parts.commands.find(input.guildId, 1, input.name);
    const definitions = definition !== undefined && 'options' in definition ? definition.options : undefined;
    const options = buildOptions(input.options, definitions, this.#resolved(scene));
    const data = {
      id: definition?.id ?? unregisteredId(input.name),
      name: input.name,
      type: 1,
      options: focus(options, input.focused),
    };
    return this.#envelope(scene, { type: 4, name: input.name, commandType: 1, sourceMessageId: null }, data);
  }

  #component(input: ComponentInput): Prepared {
    const stored = this.#parts.messages.get(input.messageId);
    if (stored === undefined) throw new Error(`there is no message ${input.messageId}`);
    const viewer = input.userId ?? stored.visibleTo ?? undefined;
    const scene = this.#scene({
      guildId: input.guildId === undefined ? stored.guildId : input.guildId,
      channelId: input.channelId ?? stored.channelId,
      userId: viewer,
      ...{ locale: input.locale, entitlements: input.entitlements },
    });
    this.#message(input.messageId, scene.userId);
    const component = findComponent(stored, input.customId);
    const resolved = this.#resolved(scene);
    resolved.selected(component.type, input.values ?? []);
    const data = {
      id: component.id,
      custom_id: input.customId,
      component_type: component.type,
      ...(input.values === undefined ? {} : { values: input.values }),
      ...resolved.toJSON(),
    };
    const facts = { type: 3 as const, name: input.customId, commandType: 0, sourceMessageId: input.messageId };
    return this.#envelope(scene, facts, data, { message: stored.message });
  }

  #modal(input: ModalInput): Prepared {
    const { modals, messages } = this.#parts;
    const open = input.userId === undefined ? undefined : modals.get(input.userId, input.customId);
    const scene = this.#scene({
      guildId: input.guildId === undefined ? (open?.guildId ?? null) : input.guildId,
      channelId: input.channelId ?? open?.channelId,
      userId: input.userId,
      ...{ locale: input.locale, entitlements: input.entitlements },
    });
    if (open !== undefined) modals.close(scene.userId, input.customId);
    const source = messages.get(open?.sourceMessageId ?? '');
    const resolved = this.#resolved(scene);
    const components = submittedComponents(open?.data.components, input.fields, resolved);
    const data = { custom_id: input.customId, components, ...resolved.toJSON() };
    const facts = {
      type: 5 as const,
      name: input.customId,
      commandType: 0,
      sourceMessageId: source?.message.id ?? null,
    };
    return this.#envelope(scene, facts, data, source === undefined ? {} : { message: source.message });
  }

  #resolved({ guild, channelId, userId }: Scene): Resolved {
    const { world, files } = this.#parts;
    return new Resolved({ world, files, guild, channelId, userId });
  }

  #scene(place: Place): Scene {
    const { world } = this.#parts;
    const { locale = 'en-US', entitlements = [] } = place;
    if (place.guildId === null) {
      const userId = place.userId ?? (world.people[0] as string);
      world.user(userId);
      return {
        guild: null,
        userId,
        channelId: place.channelId ?? world.directChannel(userId).id,
        locale,
        entitlements,
      };
    }
    const guild = world.anyGuild(place.guildId);
    return {
      guild,
      userId: place.userId ?? guild.ownerId,
      channelId: place.channelId ?? (guild.channels[0]?.id as string),
      ...{ locale, entitlements },
    };
  }

  #message(messageId: string, viewer: string): StoredMessage {
    const stored = this.#parts.messages.get(messageId);
    if (stored === undefined || (stored.visibleTo !== null && stored.visibleTo !== viewer)) {
      throw new Error(`user ${viewer} sees no message ${messageId}`);
    }
    return stored;
  }

  #envelope(
    scene: Scene,
    facts: Pick<NewRecord, 'type' | 'name' | 'commandType' | 'sourceMessageId'>,
    data: object,
    extra: object = {},
  ): Prepared {
    const { world, records } = this.#parts;
    const { guild, channelId, userId } = scene;
    const record = records.create({ ...facts, guildId: guild?.id ?? null, channelId, userId });
    const payload: Record<string, unknown> = {
      app_permissions: appPermissions(scene, world.bot.id).toString(),
      application_id: world.bot.id,
      attachment_size_limit: 10_485_760,
      authorizing_integration_owners:
        guild === null ? { '0': '0' } : guild.joined ? { '0': guild.id } : { '1': userId },
      channel: this.#channel(scene),
      channel_id: channelId,
      context: guild === null ? 1 : 0,
      data,
      entitlement_sku_ids: [],
      entitlements: scene.entitlements,
      ...(guild === null
        ? {}
        : {
            guild: { features: [], id: guild.id, locale: guild.locale },
            guild_id: guild.id,
            guild_locale: guild.locale,
          }),
      id: record.id,
      locale: scene.locale,
      ...(guild === null ? { user: world.user(userId) } : { member: interactionMember(scene, guild, world) }),
      ...extra,
      token: record.token,
      type: facts.type,
      version: 1,
    };
    return { record, payload };
  }

  #channel({ guild, channelId, userId }: Scene): object {
    if (guild === null) return { ...this.#parts.world.directChannel(userId), id: channelId };
    const known = channelOf(guild, channelId);
    const permissions = channelPermissions(guild, userId, known).toString();
    return { ...(known ?? { id: channelId, type: 0, guild_id: guild.id, name: 'channel', flags: 0 }), permissions };
  }
}

/** A stable id for a command that is not registered. */
function unregisteredId(name: string): string {
  return String(1_000_000_000_000_000_000n + BigInt(hashText(name)));
}

/** The application's permissions in the channel of the interaction. It has no roles in guilds that it has not joined. */
function appPermissions({ guild, channelId }: Scene, botId: string): bigint {
  if (guild === null || !guild.joined) return DIRECT_PERMISSIONS;
  return channelPermissions(guild, botId, channelOf(guild, channelId));
}

function interactionMember({ channelId, userId }: Scene, guild: SimulatedGuild, world: World): object {
  const member = guild.members.get(userId);
  const permissions = channelPermissions(guild, userId, channelOf(guild, channelId)).toString();
  if (member !== undefined) return { ...member, permissions };
  const stranger: Partial<APIGuildMember> = {
    user: world.user(userId),
    nick: null,
    avatar: null,
    roles: [],
    joined_at: guild.joinedAt,
    premium_since: null,
    deaf: false,
    mute: false,
    pending: false,
    communication_disabled_until: null,
  };
  return { ...stranger, flags: 0, permissions };
}

function findComponent(stored: StoredMessage, customId: string): Record<string, unknown> {
  for (const component of eachComponent(stored.message.components)) {
    if (component.custom_id !== customId) continue;
    if (component.disabled === true) throw new Error(`component ${customId} is disabled`);
    return component;
  }
  throw new Error(`message ${stored.message.id} has no component ${customId}`);
}
