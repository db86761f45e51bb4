import { type APIInteraction, type APIInteractionResponse, Routes } from 'discord-api-types/v10';
import type { DeferralRule } from '../../bot/types.ts';
import type { Deferred } from '../store/hints.ts';
import { EPHEMERAL, RESPONSE } from './interaction-rules.ts';
import { MESSAGE } from './messages.ts';

/** A request to an interaction's webhook. */
export interface WebhookCall {
  readonly method: 'GET' | 'PATCH' | 'POST' | 'DELETE';
  readonly route: `/${string}`;
  readonly body?: Readonly<Record<string, unknown>>;
}

/** How a response reaches the user after a deferral. */
export interface LateResponse {
  readonly calls: readonly WebhookCall[];
  /** What can no longer be shown, for the log. The calls tell the user. */
  readonly lost: string | null;
}

/** An edit accepts only these flags: SUPPRESS_EMBEDS, IS_COMPONENTS_V2. */
const EDITABLE_FLAGS = (1 << 2) | (1 << 15);

type Data = Readonly<Record<string, unknown>> & { readonly flags?: number };

/** The routes of an interaction's webhook, which need no authorization but its token. */
function webhookOf({ application_id, token }: APIInteraction) {
  const original = Routes.webhookMessage(application_id, token, '@original');
  const asEdit = ({ flags = 0, ...data }: Data) =>
    (flags & EDITABLE_FLAGS) === 0 ? data : { ...data, flags: flags & EDITABLE_FLAGS };
  return {
    edit: (data: Data): WebhookCall => ({ method: 'PATCH', route: original, body: asEdit(data) }),
    remove: (): WebhookCall => ({ method: 'DELETE', route: original }),
    editMessage: (id: string, data: Data): WebhookCall => ({
      method: 'PATCH',
      route: Routes.webhookMessage(application_id, token, id),
      body: asEdit(data),
    }),
    followUp: (data: Data): WebhookCall => ({
      method: 'POST',
      route: Routes.webhook(application_id, token),
      body: data,
    }),
  };
}

/** Shows a text after a deferral: in place of the deferred message or, on a component's message, as a follow-up. */
export function lateNotice(interaction: APIInteraction, deferred: Deferred, text: string): WebhookCall {
  const webhook = webhookOf(interaction);
  if (deferred === RESPONSE.deferredUpdate) return webhook.followUp({ content: text, flags: EPHEMERAL });
  return webhook.edit({ content: text });
}

/**
 * Turns a first response into the calls that complete a deferred one.
 * @param deferral 5: the user sees "thinking…"; 6: the user sees nothing
 */
export function lateResponse(
  interaction: APIInteraction,
  deferral: Pick<DeferralRule, 'type' | 'ephemeral'>,
  response: APIInteractionResponse,
): LateResponse {
  const deferred = deferral.type;
  const webhook = webhookOf(interaction);
  const type: number = response.type;
  const data = ('data' in response ? response.data : {}) as Data;
  const shown = (...calls: WebhookCall[]): LateResponse => ({ calls, lost: null });

  if (type === RESPONSE.modal || type === RESPONSE.launchActivity) {
    const what = type === RESPONSE.modal ? 'a modal' : 'an activity';
    return {
      calls: [lateNotice(interaction, deferred, MESSAGE.tooLate)],
      lost: `${what} cannot be opened after a deferred response`,
    };
  }
  if (deferred === RESPONSE.deferredUpdate) {
    if (type === RESPONSE.message) return shown(webhook.followUp(data));
    if (type === RESPONSE.update) return shown(webhook.edit(data));
    // A deferral of a new message must be the first response. Later edits change the component's message.
    if (type === RESPONSE.deferredMessage) return { calls: [], lost: 'a deferred message after a deferred update' };
    return shown();
  }
  switch (type) {
    case RESPONSE.message: {
      // The deferred message is public, and that cannot change. An ephemeral response must not go there.
      const leaks = ((data.flags ?? 0) & EPHEMERAL) !== 0 && !deferral.ephemeral;
      if (leaks) return shown(webhook.edit({ content: MESSAGE.privately }), webhook.followUp(data));
      return shown(webhook.edit(data));
    }
    case RESPONSE.update:
    case RESPONSE.deferredUpdate: {
      const message = 'message' in interaction ? interaction.message : undefined;
      if (type === RESPONSE.deferredUpdate || message === undefined) return shown(webhook.remove());
      return shown(webhook.editMessage(message.id, data), webhook.remove());
    }
    default:
      // The handler deferred by itself, and edits @original when it is done.
      return shown();
  }
}
