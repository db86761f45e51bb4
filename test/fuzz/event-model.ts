/** Signed events of Discord and Stripe: valid, nearly valid and invalid. */
import fc from 'fast-check';
import { GUILD } from './request-model.ts';

export interface SignedEvent {
  /** The last part of its path. */
  readonly kind: 'discord' | 'discord-events' | 'stripe';
  readonly payload: unknown;
}

const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 1 }),
  fc.constantFrom('', '0', '123', 'cart_42', 'constructor', '__proto__'),
);
const guild = fc.oneof({ weight: 3, arbitrary: fc.constant<unknown>(GUILD) }, { weight: 2, arbitrary: anything });
let last = 1_200_000_000_000_000_000n;
const id = fc.oneof(
  { weight: 6, arbitrary: fc.constant(null).map(() => String(++last)) },
  { weight: 1, arbitrary: anything },
);

const interaction = fc.record({
  kind: fc.constant('discord' as const),
  payload: fc.record(
    {
      id,
      type: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 6 }) }, { weight: 1, arbitrary: anything }),
      guild_id: guild,
      token: fc.oneof({ weight: 5, arbitrary: fc.constant('token') }, { weight: 1, arbitrary: anything }),
      application_id: fc.constant(GUILD),
      data: fc.oneof(
        {
          weight: 4,
          arbitrary: fc.record({ name: anything, custom_id: anything, type: anything }, { requiredKeys: [] }),
        },
        { weight: 1, arbitrary: anything },
      ),
    },
    { requiredKeys: ['id', 'type', 'token', 'application_id'] },
  ),
});

const webhookEvent = fc.record({
  kind: fc.constant('discord-events' as const),
  payload: fc.record({
    type: fc.constantFrom(0, 1, 2),
    event: fc.oneof(fc.record({ type: anything, data: fc.record({ guild_id: guild }) }), anything),
  }),
});

const stripe = fc.record({
  kind: fc.constant('stripe' as const),
  payload: fc.record({
    id: fc.constant(null).map(() => `evt_${++last}`),
    data: fc.oneof(
      fc.record({
        object: fc.record(
          {
            metadata: fc.oneof(fc.record({ guild_id: guild }), anything),
            client_reference_id: guild,
            parent: fc.oneof(
              fc.record({ subscription_details: fc.record({ metadata: fc.record({ guild_id: guild }) }) }),
              anything,
            ),
          },
          { requiredKeys: [] },
        ),
      }),
      anything,
    ),
  }),
});

export const signedEvents: fc.Arbitrary<SignedEvent> = fc.oneof(interaction, webhookEvent, stripe);
