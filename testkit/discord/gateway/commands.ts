import { GatewayIntentBits, GatewayOpcodes, PermissionFlagsBits as P } from 'discord-api-types/v10';
import { changeVoice } from '../actions/voice.ts';
import type { Dispatch } from '../rest/world-parts.ts';
import type { UnknownRequests } from '../unknown.ts';
import type { Violations } from '../violations.ts';
import { isVoice } from '../world/channel.ts';
import { channelPermissions } from '../world/permissions.ts';
import type { Presence } from '../world/presence.ts';
import type { World } from '../world/world.ts';
import { memberChunks } from './members.ts';
import type { GatewaySession } from './session.ts';

interface CommandParts {
  readonly world: World;
  readonly violations: Violations;
  readonly dispatch: Dispatch;
  readonly unknown: UnknownRequests;
}

type Data = Readonly<Record<string, unknown>>;

const STATUSES: readonly unknown[] = ['online', 'idle', 'dnd', 'invisible', 'offline'];
/** Soundboard sounds and channel information: accepted, but not simulated. */
const NOT_SIMULATED = [31, 43];

const COMMANDS: Readonly<Record<number, (parts: CommandParts, session: GatewaySession, data: Data) => void>> = {
  [GatewayOpcodes.PresenceUpdate]: ({ world, violations }, _session, data) => updatePresence(world, violations, data),
  [GatewayOpcodes.VoiceStateUpdate]: updateVoice,
  [GatewayOpcodes.RequestGuildMembers]: requestMembers,
};

/** Whether a client may send this opcode after it has identified. */
export const isCommand = (op: number): boolean => op in COMMANDS || NOT_SIMULATED.includes(op);

/** Runs a command of a client: presence, voice state, or a request for members. */
export function runCommand(parts: CommandParts, session: GatewaySession, op: number, data: Data): void {
  const command = COMMANDS[op];
  if (command === undefined) parts.unknown.add(`gateway opcode ${op}`);
  else command(parts, session, data);
}

/** Stores the bot's presence, which GUILD_CREATE shows. Also used for the `presence` of an identify. */
export function updatePresence(world: World, violations: Violations, data: Data): void {
  // discord.py sends null unless the bot sets a status.
  const wanted = data.status ?? 'online';
  if (!STATUSES.includes(wanted)) {
    violations.record('gateway_payload', `presence with the status ${JSON.stringify(wanted)}`);
    return;
  }
  const status = (wanted === 'invisible' ? 'offline' : wanted) as Presence['status'];
  world.presences.set(world.bot.id, { status, activities: activitiesOf(data) });
}

/** discord.py sends `game` in its identify. */
function activitiesOf({ activities, game }: Data): object[] {
  if (Array.isArray(activities)) return activities as object[];
  return typeof game === 'object' && game !== null ? [game] : [];
}

/** The bot joins, moves to or leaves a voice channel. Without Connect in the channel nothing happens, as on Discord. */
function updateVoice({ world, dispatch }: CommandParts, session: GatewaySession, data: Data): void {
  const guild = world.guild(String(data.guild_id));
  if (guild === undefined) return;
  const botId = world.bot.id;
  const selves = { self_mute: data.self_mute === true, self_deaf: data.self_deaf === true };
  if (data.channel_id === null) {
    if (guild.voice.has(botId)) changeVoice({ world, dispatch }, guild, botId, { ...selves, channel_id: null });
    return;
  }
  const channel = guild.channels.find(({ id }) => id === data.channel_id);
  const needed = P.ViewChannel | P.Connect;
  if (channel === undefined || !isVoice(channel)) return;
  if ((channelPermissions(guild, botId, channel) & needed) !== needed) return;
  const isElsewhere = guild.voice.get(botId)?.channel_id !== channel.id;
  const change = { ...selves, channel_id: channel.id, session_id: session.facts.id };
  changeVoice({ world, dispatch }, guild, botId, change);
  // Nothing listens there: the simulator has no voice.
  const server = { token: 'simulated', guild_id: guild.id, endpoint: 'voice.simulated.invalid:443' };
  if (isElsewhere) session.dispatch('VOICE_SERVER_UPDATE', JSON.stringify(server));
}

function requestMembers({ world, violations }: CommandParts, session: GatewaySession, data: Data): void {
  const { intents } = session.facts;
  const all = data.query === '' && Number(data.limit) === 0;
  const missing =
    (all && (intents & GatewayIntentBits.GuildMembers) === 0 ? 'all members without the GuildMembers intent' : null) ??
    (data.presences === true && (intents & GatewayIntentBits.GuildPresences) === 0
      ? 'presences without the GuildPresences intent'
      : null);
  if (missing !== null) {
    violations.record('gateway_protocol', `requested ${missing}`);
    return;
  }
  for (const chunk of memberChunks(world, data)) session.dispatch('GUILD_MEMBERS_CHUNK', JSON.stringify(chunk));
}
