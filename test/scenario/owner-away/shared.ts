import { after } from 'node:test';
import { type Scenario, startScenario } from '../support.ts';

const started = new AsyncDisposableStack();
let scenario: Promise<Scenario> | null = null;

/**
 * One HTTP pod and three gateway pods shared by all tests of this folder in one process, because their start is most of the cost.
 * A test leaves every pod running, the network intact and no hint.
 */
export function sharedScenario(): Promise<Scenario> {
  scenario ??= startScenario({ routing: 'discord-shard' }).then((one) => started.use(one));
  return scenario;
}

after(() => started.disposeAsync());
