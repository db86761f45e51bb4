import { createLookup } from '../lookup.ts';
import { pageLimit } from '../query.ts';
import type { Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

/** Routes of the audit log. */
export function auditLogRoutes({ world, messages, audit }: WorldParts): Route[] {
  const lookup = createLookup(world, messages);
  return [
    {
      method: 'GET',
      path: '/guilds/:guild/audit-logs',
      auth: 'bot',
      handle(request) {
        const { query } = request;
        const action = query.get('action_type');
        const entries = audit.list(lookup.guild(request).id, {
          actionType: action === null ? null : Number(action),
          userId: query.get('user_id'),
          before: query.get('before'),
          after: query.get('after'),
          limit: pageLimit(query, 100, 50),
        });
        const people = new Set(entries.flatMap(({ user_id, target_id }) => [user_id, target_id ?? user_id]));
        const known = [...people].filter((id) => id === world.bot.id || world.people.includes(id));
        const nothing = { webhooks: [], integrations: [], guild_scheduled_events: [], threads: [] };
        const others = { auto_moderation_rules: [], application_commands: [] };
        const users = known.map((id) => world.user(id));
        return { status: 200, body: { audit_log_entries: entries, users, ...nothing, ...others } };
      },
    },
  ];
}
