import { newest, type OwnerOf } from './authority.ts';
import type { Message } from './messages.ts';
import { onGiven, onGone, onKept, onOffer } from './new-owner.ts';
import { onActive, onAsk, onElsewhere, onLost, onStored } from './old-owner.ts';
import { onHeld, onRecover } from './recovery.ts';
import type { MovingState } from './state.ts';
import { NOTHING, type Step } from './step.ts';
import { learn } from './topologies.ts';

/** What follows from a message of another pod. */
export function receive(state: MovingState, from: number, message: Message, ownerOf: OwnerOf): Step {
  switch (message.kind) {
    case 'news':
      return { writes: learn(state, message.news), sends: [] };
    case 'recover':
      return onRecover(state, from);
    case 'held':
      return onHeld(state, from, message, ownerOf);
    case 'elsewhere':
      return { writes: onElsewhere(state, from, message.guilds), sends: [] };
  }
  // The sender repeats what this pod cannot understand yet.
  if (message.epoch > newest(state).epoch || state.recovering.size > 0) return NOTHING;
  switch (message.kind) {
    case 'offer':
      return onOffer(state, from, message, ownerOf);
    case 'stored':
      return onStored(state, from, message);
    case 'given':
      return onGiven(state, from, message, ownerOf);
    case 'active':
      return onActive(state, from, message);
    case 'lost':
      return onLost(state, from, message, ownerOf);
    case 'gone':
      return onGone(state, from, message);
    case 'ask':
      return onAsk(state, from, message);
    case 'kept':
      return onKept(state, from, message);
  }
}
