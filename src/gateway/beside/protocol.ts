/** Opcodes of Discord's gateway. Source: Discord's documentation, "Gateway Opcodes". */
export const OP = Object.freeze({
  dispatch: 0,
  heartbeat: 1,
  identify: 2,
  presence: 3,
  voiceState: 4,
  resume: 6,
  reconnect: 7,
  requestMembers: 8,
  invalidSession: 9,
  hello: 10,
  heartbeatAck: 11,
  requestSoundboard: 31,
});

/** Close codes of Discord's gateway that the local gateway uses. */
export const CLOSE = Object.freeze({
  unknownError: 4000,
  unknownOpcode: 4001,
  decodeError: 4002,
  notAuthenticated: 4003,
  authenticationFailed: 4004,
  alreadyAuthenticated: 4005,
  rateLimited: 4008,
  sessionTimedOut: 4009,
  invalidShard: 4010,
});

/** A message of the bot. */
export interface ClientPayload {
  readonly op: number;
  readonly d: unknown;
}

/** What a bot identifies with. The rest of an IDENTIFY is of no use here. */
export interface Identify {
  readonly token: string;
  readonly intents: number;
  readonly shard: readonly [number, number];
  /** Null: none. */
  readonly presence: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => (typeof value === 'object' && value !== null ? (value as Fields) : {});

/** Null: not a message of Discord's gateway. */
export function parsePayload(text: string): ClientPayload | null {
  try {
    const { op, d } = fieldsOf(JSON.parse(text));
    return typeof op === 'number' ? { op, d } : null;
  } catch {
    return null;
  }
}

/** Null: not a valid IDENTIFY. */
export function parseIdentify(data: unknown): Identify | null {
  const { token, intents, shard = [0, 1], presence = null } = fieldsOf(data);
  if (typeof token !== 'string' || !Number.isSafeInteger(intents)) return null;
  if (!Array.isArray(shard) || shard.length !== 2 || !shard.every(Number.isSafeInteger)) return null;
  return { token: bareToken(token), intents: intents as number, shard: shard as unknown as [number, number], presence };
}

export interface Resume {
  readonly token: string;
  readonly sessionId: string;
  readonly sequence: number;
}

/** Null: not a valid RESUME. */
export function parseResume(data: unknown): Resume | null {
  const { token, session_id: sessionId, seq: sequence } = fieldsOf(data);
  if (typeof token !== 'string' || typeof sessionId !== 'string' || !Number.isSafeInteger(sequence)) return null;
  return { token: bareToken(token), sessionId, sequence: sequence as number };
}

/** Some libraries write `Bot ` in front of the token here, too. */
const bareToken = (token: string): string => token.replace(/^Bot /, '');
