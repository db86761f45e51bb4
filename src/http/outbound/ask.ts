import type { GatewayRequest, GatewayResponse } from '../../link/message.ts';
import { outcomeOf, type RouteInit } from './call.ts';
import type { OwnerClient } from './owner-client.ts';

/** An owner's answer, and the pod that gave it. */
export interface Answer {
  readonly response: GatewayResponse;
  readonly pod: number;
}

/**
 * {@link OwnerClient.routeToGateway} as a promise, for those who need the whole answer.
 * @throws DispatchError
 */
export function ask(
  owners: OwnerClient,
  guildId: string | null,
  request: GatewayRequest,
  options: Pick<RouteInit, 'deadlineAt' | 'repeatable'>,
): Promise<Answer> {
  const { method, headers, body, target } = request;
  const { deadlineAt, repeatable } = options;
  return new Promise((resolve, reject) => {
    // Field by field: spread, they would be copied by a slower way, for each interaction.
    owners.routeToGateway(guildId, target, {
      method,
      headers,
      body,
      deadlineAt,
      repeatable,
      streams: false,
      attemptsUntil: deadlineAt,
      anyPod: false,
      overPlain: async (pod, _path, timeoutMs) => outcomeOf(pod, await pod.plainRequest(request, timeoutMs)),
      onAnswer: (pod, response) => resolve({ pod, response: response as GatewayResponse }),
      onFailure: reject,
    });
  });
}
