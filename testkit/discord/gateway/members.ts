import type { World } from '../world/world.ts';

const CHUNK = 1000;

/** The response to a request for guild members (opcode 8): by name prefix, by ids, or all of them. */
export function* memberChunks(world: World, request: Record<string, unknown>): Generator<object> {
  const guildId = String(request.guild_id);
  const guild = world.guild(guildId);
  if (guild === undefined) return;
  const wanted = request.user_ids;
  const ids = wanted === undefined ? null : (Array.isArray(wanted) ? wanted : [wanted]).map(String);
  const prefix = String(request.query ?? '').toLowerCase();
  const limit = Number(request.limit ?? 0) || Number.POSITIVE_INFINITY;
  const found = [...guild.members.values()]
    .filter(({ user }) => (ids === null ? user.username.toLowerCase().startsWith(prefix) : ids.includes(user.id)))
    .slice(0, limit);
  const count = Math.max(1, Math.ceil(found.length / CHUNK));
  for (let index = 0; index < count; index++) {
    yield {
      guild_id: guildId,
      members: found.slice(index * CHUNK, (index + 1) * CHUNK),
      chunk_index: index,
      chunk_count: count,
      not_found: ids?.filter((id) => !guild.members.has(id)) ?? [],
      ...(request.nonce === undefined ? {} : { nonce: request.nonce }),
    };
  }
}
