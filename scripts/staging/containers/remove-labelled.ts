import type { Engine } from './engine.ts';

/** Removes all containers, volumes and networks with a label. */
export async function removeLabelled(engine: Pick<Engine, 'do'>, label: string): Promise<void> {
  const list = async (...args: string[]): Promise<string[]> =>
    (await engine.do([...args, '--quiet', '--filter', `label=${label}`])).split('\n').filter((id) => id !== '');
  const containers = await list('ps', '--all');
  if (containers.length > 0) await engine.do(['rm', '--force', ...containers]);
  const volumes = await list('volume', 'ls');
  if (volumes.length > 0) await engine.do(['volume', 'rm', ...volumes]);
  const networks = await list('network', 'ls');
  if (networks.length > 0) await engine.do(['network', 'rm', ...networks]);
}
