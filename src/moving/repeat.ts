import { newest } from './authority.ts';
import type { Message, Send } from './messages.ts';
import { type Attempt, type GuildRecord, keyOf, type MovingState, NO_ATTEMPT, sameAttempt } from './state.ts';
import { type Of, type Step, to } from './step.ts';

/** Guilds of one message, so that a pod that has lost many gets them bit by bit. */
const MOST_GUILDS = 256;

type Repeated = Of<'given' | 'ask' | 'lost'>;

/** What may have been lost on the way. Call it from time to time. */
export function repeat(state: MovingState): Step {
  const open = new Map<string, { readonly pod: number; readonly message: Repeated; readonly guilds: string[] }>();
  const sends: Send[] = [];
  for (const [guild, record] of state.records) {
    const wanted = messageAbout(state, record);
    if (wanted === null) continue;
    const { pod, kind, attempt } = wanted;
    const key = `${kind} ${pod} ${record.epoch} ${keyOf(attempt)}`;
    const known = open.get(key);
    if (known !== undefined && known.guilds.length < MOST_GUILDS) {
      known.guilds.push(guild);
      continue;
    }
    const guilds = [guild];
    const message: Message = {
      kind,
      epoch: record.epoch,
      guilds,
      ...(kind === 'given' ? { attempt } : {}),
    } as Repeated;
    open.set(key, { pod, message, guilds });
    sends.push(to(pod, message));
  }
  for (const pod of state.recovering) sends.push(to(pod, { kind: 'recover' }));
  return { writes: [], sends };
}

function messageAbout(
  state: MovingState,
  record: GuildRecord,
): { readonly kind: Repeated['kind']; readonly pod: number; readonly attempt: Attempt } | null {
  if (record.state === 'moved' && !record.confirmed) return { kind: 'given', pod: record.to, attempt: record.attempt };
  if (record.state === 'awaiting') return { kind: 'lost', pod: record.from, attempt: NO_ATTEMPT };
  if (isUndecided(state, record)) return { kind: 'ask', pod: record.from, attempt: NO_ATTEMPT };
  return null;
}

type Arriving = Extract<GuildRecord, { state: 'arriving' }>;

/** Whether a guild was arriving when a newer topology came, and the old owner has not yet said whether it gave it away. */
export function isUndecided(state: MovingState, record: GuildRecord): record is Arriving {
  return record.state === 'arriving' && record.epoch < newest(state).epoch && !sameAttempt(record.attempt, NO_ATTEMPT);
}
