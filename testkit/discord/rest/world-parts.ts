import type { SnowflakeSource } from '../snowflake.ts';
import type { AuditLog } from '../store/audit-log.ts';
import type { MessageBuilder } from '../store/message-builder.ts';
import type { MessageStore } from '../store/messages.ts';
import type { World } from '../world/world.ts';

/** Tells the sessions of an event. @returns how many heard of it */
export type Dispatch = (name: string, data: object, guildId: string | null) => number;

/** What the routes about guilds, channels and messages work with. */
export interface WorldParts {
  readonly ids: SnowflakeSource;
  readonly world: World;
  readonly messages: MessageStore;
  readonly builder: MessageBuilder;
  readonly audit: AuditLog;
  readonly dispatch: Dispatch;
}
