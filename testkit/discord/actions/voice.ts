import { randomBytes } from 'node:crypto';
import { ChannelType } from 'discord-api-types/v10';
import type { WorldParts } from '../rest/world-parts.ts';
import { channelOf, type SimulatedGuild } from '../world/guild.ts';
import { createVoiceState, type VoiceState } from '../world/voice.ts';

/** The fields of a voice state that change. `channel_id` null leaves the channel. */
export type VoiceChange = Partial<Omit<VoiceState, 'user_id'>>;

/** Joins, moves, changes or leaves a voice channel, and sends the event. @returns the new state */
export function changeVoice(
  { world, dispatch }: Pick<WorldParts, 'world' | 'dispatch'>,
  guild: SimulatedGuild,
  userId: string,
  change: VoiceChange,
): VoiceState {
  world.keep(guild);
  const before = guild.voice.get(userId);
  const moves = change.channel_id !== undefined && change.channel_id !== (before?.channel_id ?? null);
  const isStage = channelOf(guild, change.channel_id ?? '')?.type === ChannelType.GuildStageVoice;
  const base = before ?? createVoiceState(userId, randomBytes(16).toString('hex'), isStage);
  const state: VoiceState = { ...base, ...(moves ? { suppress: isStage } : {}), ...change };
  if (state.channel_id === null) guild.voice.delete(userId);
  else guild.voice.set(userId, state);
  const member = guild.members.get(userId);
  const data = { guild_id: guild.id, ...state, ...(member === undefined ? {} : { member }) };
  if (before !== undefined || state.channel_id !== null) dispatch('VOICE_STATE_UPDATE', data, guild.id);
  return state;
}

/** Everyone leaves a channel that is deleted. */
export function emptyVoice(
  parts: Pick<WorldParts, 'world' | 'dispatch'>,
  guild: SimulatedGuild,
  channelId: string,
): void {
  for (const [userId, { channel_id }] of [...guild.voice]) {
    if (channel_id === channelId) changeVoice(parts, guild, userId, { channel_id: null });
  }
}
