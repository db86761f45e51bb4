import { setTimeout as delay } from 'node:timers/promises';
import { GuildwayError } from '../../errors.ts';
import { type ClusterFile, fetchPods } from '../pods.ts';
import { type MoveProgress, progressOf } from '../progress.ts';

export interface LocalOptions {
  readonly cluster: ClusterFile;
  readonly pods: number;
  readonly say: (line: string) => void;
  readonly onProgress: (progress: MoveProgress) => void;
  readonly isDryRun: boolean;
}

/** What the console of the local cluster says (testkit/discord/cluster-control.ts). */
interface View {
  readonly pods: readonly unknown[];
  readonly gatewayPods: number;
  readonly mostPods: number;
  readonly isChanging: boolean;
  readonly problem: string | null;
}

const LOOK_MS = 200;

/**
 * Changes the number of gateway pods of the running local cluster.
 * @throws GuildwayError CONFIG_INVALID, LINK_UNAVAILABLE
 */
export async function reshardLocal({ cluster, pods, say, onProgress, isDryRun }: LocalOptions): Promise<void> {
  const { consoleUrl, adminUrl } = cluster;
  if (consoleUrl === undefined) {
    throw new GuildwayError(
      'CONFIG_INVALID',
      `the local cluster uses the real Discord, and has no console: stop it, and start it with npm start -- --gateway-pods ${pods}; its guilds move then`,
    );
  }
  let view = await ask(consoleUrl);
  const { gatewayPods } = view;
  if (pods > view.mostPods) {
    throw new GuildwayError(
      'CONFIG_INVALID',
      `--pods ${pods}: the local cluster can have ${view.mostPods} gateway pods`,
    );
  }
  if (view.isChanging && gatewayPods !== pods) {
    throw new GuildwayError(
      'CONFIG_INVALID',
      `--pods ${pods}: the cluster is being changed to ${gatewayPods} gateway pods: wait for the end, or continue with --pods ${gatewayPods}`,
    );
  }
  if (gatewayPods === pods && !view.isChanging) {
    say(`there are ${pods} gateway pods already`);
    return;
  }
  if (pods > gatewayPods) say(`gateway pods ${gatewayPods} to ${pods - 1} start, without guilds`);
  say('gateway-0 restarts with the new number, and tells the others');
  say('guilds move');
  if (!isDryRun) {
    if (!view.isChanging) view = await ask(consoleUrl, { gatewayPods: pods });
    while (view.isChanging) {
      const progress = progressOf(await fetchPods(adminUrl));
      if (progress !== null) onProgress(progress);
      await delay(LOOK_MS);
      view = await ask(consoleUrl);
    }
    if (view.problem !== null) throw new GuildwayError('LINK_UNAVAILABLE', view.problem);
  }
  if (pods < gatewayPods) say(`gateway pods ${pods} to ${gatewayPods - 1} have no guilds any more, and end`);
  say(isDryRun ? 'nothing was changed' : `every guild is at its owner among ${pods} gateway pods`);
}

async function ask(consoleUrl: string, body?: object): Promise<View> {
  const url = new URL('/console/api/cluster', consoleUrl);
  const init =
    body === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    throw new GuildwayError(
      'LINK_UNAVAILABLE',
      `the local cluster does not answer at ${consoleUrl}: start it with npm start`,
      {
        cause,
      },
    );
  }
  const answer = (await response.json()) as View & { readonly error?: string };
  if (response.ok) return answer;
  throw new GuildwayError('CONFIG_INVALID', answer.error ?? `${url} answered ${response.status}`);
}
