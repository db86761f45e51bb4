import type { Scenario } from './world.ts';

export const GROW: Scenario = {
  name: '1 pod to 2',
  guilds: ['a', 'b'],
  topologies: [
    { pods: 1, owners: [0, 0] },
    { pods: 2, owners: [1, 1] },
  ],
  restores: false,
};

/** 3 to 5 and on to 4 in small: the number changes again before the first move has ended. */
export const CHANGE_TWICE: Scenario = {
  name: '2 pods to 3, and on to 2 before it has ended',
  guilds: ['a', 'b', 'c'],
  topologies: [
    { pods: 2, owners: [0, 1, 0] },
    { pods: 3, owners: [2, 0, 1] },
    { pods: 2, owners: [1, 1, 0] },
  ],
  restores: false,
};

export const BACK: Scenario = {
  name: '2 pods to 3, and back half-way',
  guilds: ['a', 'b'],
  topologies: [
    { pods: 2, owners: [0, 1] },
    { pods: 3, owners: [2, 0] },
    { pods: 2, owners: [0, 1] },
  ],
  restores: false,
};

export const withRestores = (scenario: Scenario): Scenario => ({
  ...scenario,
  name: `${scenario.name}, with restored volumes`,
  restores: true,
});

export const SCENARIOS: readonly Scenario[] = [GROW, CHANGE_TWICE, BACK].flatMap((scenario) => [
  scenario,
  withRestores(scenario),
]);
