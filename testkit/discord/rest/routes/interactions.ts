import type { InteractionRecord, InteractionRecords } from '../../interactions/records.ts';
import type { Responder } from '../../interactions/responder.ts';
import { EPHEMERAL, LOADING } from '../../store/message-builder.ts';
import type { StoredMessage } from '../../store/messages.ts';
import { DiscordError } from '../errors.ts';
import { hasFlag } from '../query.ts';
import type { RestRequest, Route, RouteLimit } from '../router.ts';

interface Parts {
  readonly applicationId: string;
  readonly records: InteractionRecords;
  readonly responder: Responder;
}

const WEBHOOK_LIMIT: RouteLimit = { limit: 5, windowMs: 2000, by: 'token' };
const MESSAGE = '/webhooks/:webhook/:token/messages/:message';

/** Routes of the callback endpoint, `@original` and follow-ups. The interaction's token in the path authorizes them. */
export function interactionRoutes({ applicationId, records, responder }: Parts): Route[] {
  const recordOf = (request: RestRequest): InteractionRecord | undefined => {
    if (request.params.webhook !== applicationId) throw new DiscordError(404, 10015);
    return records.byToken(request.params.token ?? '');
  };
  const messageOf = (request: RestRequest): string => request.params.message ?? '';
  const isOriginal = (request: RestRequest): boolean => messageOf(request) === '@original';
  return [
    {
      method: 'POST',
      path: '/interactions/:interaction/:token/callback',
      auth: 'token',
      handle({ params, query, json, files }) {
        const record = records.get(params.interaction ?? '');
        if (record === undefined || record.token !== params.token) throw new DiscordError(404, 10062);
        const original = responder.answer(record, json, files);
        if (!hasFlag(query, 'with_response')) return { status: 204 };
        return { status: 200, body: callbackResponse(record, original) };
      },
    },
    {
      method: 'POST',
      path: '/webhooks/:webhook/:token',
      auth: 'token',
      limit: WEBHOOK_LIMIT,
      handle: (request) => ({
        status: 200,
        body: responder.followUp(recordOf(request), request.json, request.files),
      }),
    },
    {
      method: 'GET',
      path: MESSAGE,
      auth: 'token',
      handle(request) {
        const record = recordOf(request);
        const stored = isOriginal(request)
          ? responder.original(record)
          : responder.followUpMessage(record, messageOf(request));
        return { status: 200, body: stored.message };
      },
    },
    {
      method: 'PATCH',
      path: MESSAGE,
      auth: 'token',
      limit: WEBHOOK_LIMIT,
      handle(request) {
        const { json, files } = request;
        const record = recordOf(request);
        const message = isOriginal(request)
          ? responder.editOriginal(record, json, files)
          : responder.editFollowUp(record, messageOf(request), json, files);
        return { status: 200, body: message };
      },
    },
    {
      method: 'DELETE',
      path: MESSAGE,
      auth: 'token',
      limit: WEBHOOK_LIMIT,
      handle(request) {
        const record = recordOf(request);
        if (isOriginal(request)) responder.deleteOriginal(record);
        else responder.deleteFollowUp(record, messageOf(request));
        return { status: 204 };
      },
    },
  ];
}

/** The response of the callback endpoint to `with_response=true`. */
function callbackResponse(record: InteractionRecord, original: StoredMessage | null): object {
  const flags = original?.message.flags ?? 0;
  const type = record.responseType;
  return {
    interaction: {
      id: record.id,
      type: record.type,
      channel_id: record.channelId,
      ...(record.guildId === null ? {} : { guild_id: record.guildId }),
      ...(original === null
        ? {}
        : {
            response_message_id: original.message.id,
            response_message_loading: (flags & LOADING) !== 0,
            response_message_ephemeral: (flags & EPHEMERAL) !== 0,
          }),
    },
    resource: { type, ...(original === null || type === 6 ? {} : { message: original.message }) },
  };
}
