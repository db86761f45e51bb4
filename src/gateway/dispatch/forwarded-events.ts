import { GuildwayError } from '../../errors.ts';
import { type GatewayResponse, HEADER } from '../../link/message.ts';
import { isCount } from '../../protocol/json-values.ts';
import { isSnowflake } from '../../routing/snowflake.ts';
import type { MonotonicTime } from '../../time.ts';
import type { GuildEvent } from '../discord-seam.ts';
import type { Guard } from '../serve/guard.ts';
import type { EventDispatch } from './events.ts';
import type { IdempotentRunner } from './idempotent-runner.ts';
import { identityOfGatewayEvent } from './identity.ts';
import { empty, notServing, problem } from './responses.ts';

export interface ForwardedEventsOptions {
  readonly guard: Guard;
  readonly events: Pick<EventDispatch, 'dispatch'>;
  readonly once: IdempotentRunner;
  /** Why this pod serves nothing at present, or null. */
  readonly unavailable: () => string | null;
}

/** `POST /_guildway/events`: gateway events that another pod received, for guilds of this pod. */
export class ForwardedEvents {
  readonly #options: ForwardedEventsOptions;

  constructor(options: ForwardedEventsOptions) {
    this.#options = options;
  }

  /**
   * Handles an event once, regardless of how often it is delivered. An event whose handler throws counts as handled, as for
   * this pod's own sessions.
   * @returns 204 when the event is handled and on disk; 421 if another pod owns the guild
   * @throws GuildwayError STORE_FAILED when the database refuses; the event may be delivered again
   */
  async serve(body: Buffer, deadlineAt: MonotonicTime): Promise<GatewayResponse> {
    const { guard, events, once, unavailable } = this.#options;
    const why = unavailable();
    if (why !== null) return notServing(why);
    const event = parse(body);
    if (event === null) return problem(400, 'not an event of a guild');
    const verdict = await guard.settled(() => guard.checkGuild(event.guildId), deadlineAt);
    if (verdict.kind !== 'mine') return verdict.response;
    const { response, replayed } = await once.run(
      identityOfGatewayEvent(event.sessionId, event.sequence, event.guildId),
      async (memo) => {
        const outcome = await events.dispatch(event, { memo, durability: 'full' });
        if (outcome === 'not-stored') throw new GuildwayError('STORE_FAILED', 'the event could not be written');
        return { response: empty(204), final: true };
      },
    );
    return replayed ? { ...response, headers: [...response.headers, HEADER.replayed, '1'] } : response;
  }
}

function parse(body: Buffer): (GuildEvent & { readonly guildId: string }) | null {
  let value: Partial<Readonly<Record<keyof GuildEvent, unknown>>> | null;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return null;
  }
  const { name, data, guildId, shard, sessionId, sequence } = value ?? {};
  const isNamed = typeof name === 'string' && typeof sessionId === 'string' && isSnowflake(guildId);
  if (!isNamed || !isCount(shard) || !isCount(sequence)) return null;
  return { name, data, guildId, shard, sessionId, sequence };
}
