import type { APIGuildMember } from 'discord-api-types/v10';
import type { World } from '../world/world.ts';

const CHUNK = 1000;
const MAX_IDS = 100;

/** The response to a request for guild members (opcode 8): by name prefix, by up to 100 ids, or all of them. */
export function* memberChunks(world: World, request: Record<string, unknown>): Generator<object> {
  const guildId = String(request.guild_id);
  const guild = world.guild(guildId);
  if (guild === undefined) return;
  const wanted = request.user_ids;
  const ids = wanted === undefined ? null : (Array.isArray(wanted) ? wanted : [wanted]).slice(0, MAX_IDS).map(String);
  const prefix = String(request.query ?? '').toLowerCase();
  const limit = Number(request.limit ?? 0) || Number.POSITIVE_INFINITY;
  const found = [...guild.members.values()]
    .filter((member) => (ids === null ? startsWith(member, prefix) : ids.includes(member.user.id)))
    .slice(0, limit);
  const count = Math.max(1, Math.ceil(found.length / CHUNK));
  for (let index = 0; index < count; index++) {
    const members = found.slice(index * CHUNK, (index + 1) * CHUNK);
    yield {
      guild_id: guildId,
      members,
      chunk_index: index,
      chunk_count: count,
      not_found: ids?.filter((id) => !guild.members.has(id)) ?? [],
      ...(request.presences === true ? { presences: presencesOf(world, members) } : {}),
      ...(request.nonce === undefined ? {} : { nonce: request.nonce }),
    };
  }
}

/** Discord searches nicknames, too. */
function startsWith({ user, nick }: APIGuildMember, prefix: string): boolean {
  return [user.username, user.global_name, nick].some((name) => name?.toLowerCase().startsWith(prefix) === true);
}

function presencesOf({ presences }: World, members: readonly APIGuildMember[]): object[] {
  return members
    .filter(({ user }) => presences.get(user.id).status !== 'offline')
    .map(({ user }) => presences.json(user.id));
}
