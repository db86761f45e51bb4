import { after } from 'node:test';
import { type Scenario, startScenario } from '../support.ts';

const started = new AsyncDisposableStack();
let scenario: Promise<Scenario> | null = null;

/**
 * One HTTP pod and three gateway pods for all tests of this folder that run in one process: their start is most of what these tests
 * cost. A test leaves every pod running, the network whole and no hint.
 */
export function sharedScenario(): Promise<Scenario> {
  scenario ??= startScenario({ routing: 'discord-shard' }).then((one) => started.use(one));
  return scenario;
}

after(() => started.disposeAsync());
