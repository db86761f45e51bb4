import type { EventName } from '../events/dispatcher.ts';
import type { SnowflakeSource } from '../snowflake.ts';
import type { AuditLog } from '../store/audit-log.ts';
import type { InviteStore } from '../store/invites.ts';
import type { MessageBuilder } from '../store/message-builder.ts';
import type { MessageStore } from '../store/messages.ts';
import type { World } from '../world/world.ts';

/** Sends an event to the sessions. @returns the number of sessions that received it */
export type Dispatch = (name: EventName, data: object, guildId: string | null) => number;

/** The dependencies of the routes of guilds, channels and messages. */
export interface WorldParts {
  readonly ids: SnowflakeSource;
  readonly world: World;
  readonly messages: MessageStore;
  readonly builder: MessageBuilder;
  readonly audit: AuditLog;
  readonly invites: InviteStore;
  readonly dispatch: Dispatch;
}
