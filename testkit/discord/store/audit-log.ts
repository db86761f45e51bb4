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
  readonly changes?: readonly AuditChange[];
}

/** A field that differs: only `new_value` if it was added, only `old_value` if it was removed. */
interface AuditChange {
  readonly key: string;
  readonly old_value?: unknown;
  readonly new_value?: unknown;
}

interface AuditDetails {
  readonly options?: AuditEntry['options'];
  /** The object before and after the action. An omitted one did not exist. */
  readonly before?: object;
  readonly after?: object;
  /** Changes in a form of their own, such as `$add` for roles. */
  readonly changes?: readonly AuditChange[];
}

export interface AuditQuery {
  readonly actionType: number | null;
  readonly userId: string | null;
  readonly before: string | null;
  /** With `after`, the list is ascending. */
  readonly after: string | null;
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
    { options, before, after, changes = changesBetween(before, after) }: AuditDetails = {},
  ): void {
    const entry: AuditEntry = {
      id: this.#ids.next(),
      action_type: action,
      user_id: this.#botId,
      target_id: targetId,
      ...(reason === null ? {} : { reason }),
      ...(options === undefined ? {} : { options }),
      ...(changes.length === 0 ? {} : { changes }),
    };
    const entries = this.#byGuild.get(guildId) ?? [];
    this.#byGuild.set(guildId, entries);
    entries.unshift(entry);
    if (entries.length > KEPT) entries.pop();
    this.#dispatch('GUILD_AUDIT_LOG_ENTRY_CREATE', { ...entry, guild_id: guildId }, guildId);
  }

  /** Newest first; oldest first with `after`. */
  list(guildId: string, { actionType, userId, before, after, limit }: AuditQuery): AuditEntry[] {
    const fits = (entry: AuditEntry): boolean =>
      (actionType === null || entry.action_type === actionType) &&
      (userId === null || entry.user_id === userId) &&
      (before === null || BigInt(entry.id) < BigInt(before)) &&
      (after === null || BigInt(entry.id) > BigInt(after));
    const found = (this.#byGuild.get(guildId) ?? []).filter(fits);
    return (after === null ? found : found.reverse()).slice(0, limit);
  }
}

function changesBetween(before: object = {}, after: object = {}): AuditChange[] {
  const [old, now] = [before, after] as [Record<string, unknown>, Record<string, unknown>];
  const differs = (key: string): boolean => JSON.stringify(old[key]) !== JSON.stringify(now[key]);
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter(differs);
  return keys.map((key) => ({
    key,
    ...(old[key] === undefined ? {} : { old_value: old[key] }),
    ...(now[key] === undefined ? {} : { new_value: now[key] }),
  }));
}
