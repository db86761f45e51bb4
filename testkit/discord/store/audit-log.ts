import type { AuditLogEvent } from 'discord-api-types/v10';
import type { Dispatch } from '../rest/world-parts.ts';
import type { SnowflakeSource } from '../snowflake.ts';

/** An entry in the form of the REST API. */
export interface AuditEntry {
  readonly id: string;
  readonly action_type: AuditLogEvent;
  /** The user who acted. */
  readonly user_id: string;
  readonly target_id: string | null;
  readonly reason?: string;
  /** Further facts of some actions, such as the channel of a deleted message. */
  readonly options?: Readonly<Record<string, string>>;
}

export interface AuditQuery {
  readonly actionType: number | null;
  readonly userId: string | null;
  readonly before: string | null;
  readonly limit: number;
}

/** The maximum number of entries per guild. */
const KEPT = 500;

/** The audit logs of guilds. They record the bot's requests. */
export class AuditLog {
  readonly #ids: SnowflakeSource;
  readonly #botId: string;
  readonly #dispatch: Dispatch;
  /** Newest first. */
  readonly #byGuild = new Map<string, AuditEntry[]>();

  constructor(ids: SnowflakeSource, botId: string, dispatch: Dispatch) {
    this.#ids = ids;
    this.#botId = botId;
    this.#dispatch = dispatch;
  }

  /** Records an action of the bot and sends the event. @param reason as in `X-Audit-Log-Reason` */
  add(
    guildId: string,
    action: AuditLogEvent,
    targetId: string | null,
    reason: string | null,
    options?: AuditEntry['options'],
  ): void {
    const entry: AuditEntry = {
      id: this.#ids.next(),
      action_type: action,
      user_id: this.#botId,
      target_id: targetId,
      ...(reason === null ? {} : { reason }),
      ...(options === undefined ? {} : { options }),
    };
    const entries = this.#byGuild.get(guildId) ?? [];
    this.#byGuild.set(guildId, entries);
    entries.unshift(entry);
    if (entries.length > KEPT) entries.pop();
    this.#dispatch('GUILD_AUDIT_LOG_ENTRY_CREATE', { ...entry, guild_id: guildId }, guildId);
  }

  /** Newest first. */
  list(guildId: string, { actionType, userId, before, limit }: AuditQuery): AuditEntry[] {
    const fits = (entry: AuditEntry): boolean =>
      (actionType === null || entry.action_type === actionType) &&
      (userId === null || entry.user_id === userId) &&
      (before === null || BigInt(entry.id) < BigInt(before));
    return (this.#byGuild.get(guildId) ?? []).filter(fits).slice(0, limit);
  }
}
