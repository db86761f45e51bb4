import { fullJitter } from '../../link/backoff.ts';
import { type GatewayResponse, MAX_LINK_BODY } from '../../link/message.ts';
import type { Logger } from '../../observability/log.ts';
import { HINT_LIFE_MS } from '../../protocol/hints.ts';
import { gatewayEventIdentity } from '../../protocol/identity.ts';
import { PATH } from '../../protocol/paths.ts';
import type { Duration } from '../../time.ts';
import type { ForwardSink, GuildEvent } from '../discord-seam.ts';
import type { NewHint } from '../store/hints.ts';
import { SET_ASIDE } from './intake.ts';

export interface EventForwarderOptions {
  /** Stores a request on this pod's disk for delivery. See {@link HintIntake.put}. */
  readonly put: (hint: NewHint) => Promise<GatewayResponse>;
  /** Waits. Rejects when this pod is about to end. */
  readonly pause: (ms: Duration) => Promise<void>;
  readonly log: Logger;
}

const RETRY_BASE_MS = 1_000;
const RETRY_CAP_MS = 60_000;

/**
 * Forwards events to the owners of their guilds. An event is stored on disk like a request for an owner that is away. It is
 * delivered in the order of its guild, until delivery succeeds, and handled once.
 */
export function createEventForwarder({ put, pause, log }: EventForwarderOptions): ForwardSink {
  return async (event) => {
    const hint = hintOf(event);
    const { name, guildId: guild, shard, sequence } = event;
    const facts = { event: name, guild, shard, sequence };
    if (hint.body.length > MAX_LINK_BODY) {
      log.error({ ...facts, bytes: hint.body.length }, 'dropped an event of another pod: it is larger than 256 KiB');
      return;
    }
    for (let attempt = 0; ; attempt++) {
      const { status } = await put(hint);
      // An event that is set aside is on disk too: its session need not wait for it.
      if (status < 300 || status === SET_ASIDE) return;
      // Until there is room, the stored sequence stays before this event, so that the next process gets it again.
      if (attempt === 0) log.error({ ...facts, status }, 'an event of another pod cannot be stored; retrying');
      await pause(RETRY_BASE_MS + fullJitter(attempt, RETRY_BASE_MS, RETRY_CAP_MS));
    }
  };
}

function hintOf(event: GuildEvent): NewHint {
  const { sessionId, sequence, guildId } = event;
  return {
    identity: gatewayEventIdentity(sessionId, sequence),
    guildId,
    target: PATH.events,
    headers: ['content-type', 'application/json'],
    body: Buffer.from(JSON.stringify(event)),
    // Equal identities mean equal events: Discord numbers the events of a session.
    bodyHash: null,
    deferred: 0,
    uncertain: false,
    lifeMs: HINT_LIFE_MS.event,
  };
}
