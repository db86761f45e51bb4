/** The voice state of a user in the form of the gateway. `channel_id` is null in the event of a user who leaves. */
export interface VoiceState {
  readonly user_id: string;
  readonly channel_id: string | null;
  readonly session_id: string;
  readonly deaf: boolean;
  readonly mute: boolean;
  readonly self_deaf: boolean;
  readonly self_mute: boolean;
  readonly self_stream: boolean;
  readonly self_video: boolean;
  readonly suppress: boolean;
  readonly request_to_speak_timestamp: string | null;
}

/** The state of a user who joins a channel. In a stage channel users listen until they are allowed to speak. */
export function createVoiceState(userId: string, sessionId: string, suppress: boolean): VoiceState {
  return {
    ...{ user_id: userId, channel_id: null, session_id: sessionId },
    ...{ deaf: false, mute: false, self_deaf: false, self_mute: false, self_stream: false, self_video: false },
    ...{ suppress, request_to_speak_timestamp: null },
  };
}
