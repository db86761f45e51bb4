import { changeVoice } from '../../actions/voice.ts';
import type { SimulatedGuild } from '../../world/guild.ts';
import type { VoiceState } from '../../world/voice.ts';
import { DiscordError } from '../errors.ts';
import { createLookup } from '../lookup.ts';
import type { RestRequest, Route } from '../router.ts';
import type { WorldParts } from '../world-parts.ts';

const STATE = '/guilds/:guild/voice-states/:user';

/** Routes of voice states and voice regions. The bot joins channels over the gateway. */
export function voiceRoutes(parts: WorldParts): Route[] {
  const { world, messages } = parts;
  const lookup = createLookup(world, messages);
  const stateOf = (request: RestRequest): { guild: SimulatedGuild; state: VoiceState } => {
    const guild = lookup.guild(request);
    const { user = '' } = request.params;
    const state = guild.voice.get(user === '@me' ? world.bot.id : user);
    if (state === undefined) throw new DiscordError(404, 10065);
    return { guild, state };
  };
  return [
    {
      method: 'GET',
      path: STATE,
      auth: 'bot',
      handle(request) {
        const { guild, state } = stateOf(request);
        return { status: 200, body: { guild_id: guild.id, ...state, member: guild.members.get(state.user_id) } };
      },
    },
    {
      method: 'PATCH',
      path: STATE,
      auth: 'bot',
      handle(request) {
        const { guild, state } = stateOf(request);
        const { suppress, request_to_speak_timestamp: asks } = (request.json ?? {}) as Partial<VoiceState>;
        changeVoice(parts, guild, state.user_id, {
          ...(suppress === undefined ? {} : { suppress }),
          ...(asks === undefined ? {} : { request_to_speak_timestamp: asks }),
        });
        return { status: 204 };
      },
    },
    {
      method: 'GET',
      path: '/voice/regions',
      auth: 'bot',
      handle: () => ({
        status: 200,
        body: [{ id: 'simulated', name: 'Simulated', optimal: true, deprecated: false, custom: false }],
      }),
    },
  ];
}
