import type { Message, Send } from './messages.ts';
import type { Attempt, Write } from './state.ts';

/**
 * What follows from one input. Commit all writes in one transaction, take them over with {@link applyWrites}, and only then send the messages.
 * When the commit fails, nothing has happened: the input, or a timer, brings the same step again.
 */
export interface Step {
  readonly writes: readonly Write[];
  readonly sends: readonly Send[];
}

export const NOTHING: Step = { writes: [], sends: [] };

export const to = (pod: number, message: Message): Send => ({ to: pod, message });

export type Of<Kind extends Message['kind']> = Extract<Message, { kind: Kind }>;

/** The rows of a guild have come with an offer. {@link NO_ATTEMPT}: they have not. */
export const arriving = (guild: string, epoch: number, from: number, attempt: Attempt): Write => ({
  kind: 'record',
  guild,
  record: { state: 'arriving', epoch, from, attempt },
});
