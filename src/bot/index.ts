/** `guildway`: what the author of a bot imports. */

export type { Message as WebSocketMessage, Peer as WebSocketPeer } from 'crossws';
export type { GuildLocation, RouteRule } from '../routing/route-table.ts';
export type { CronHandler, CronTimes } from './cron.ts';
export { isCrossSite } from './cross-site.ts';
export { type Bot, defineBot } from './define-bot.ts';
export { defineConfig, type ExistingBotConfig } from './existing-bot.ts';
export type { JobContext, JobHandler } from './jobs.ts';
export { type CommandOptions, optionsOf } from './options.ts';
export { type Buildable, modal, reply, update, whisper } from './replies.ts';
export type { JobName, JobPayload, JobPayloads, JsonValue, ScheduleOptions } from './scheduling.ts';
export type { GuildColumn, GuildTableDeclaration } from './tables.ts';
export type {
  BotContext,
  BotDefinition,
  Command,
  ComponentHandler,
  Database,
  Deadline,
  DeferralOptions,
  EventData,
  EventHandlers,
  ModalHandler,
  SqlValue,
} from './types.ts';
export type { WebSocketAccept, WebSocketHandler } from './websocket.ts';
