/** The oldest Node that runs Guildway; package.json has the same in `engines`. */
export const MINIMUM_NODE = '24.15.0';

/**
 * Imports nothing, so that an old Node can run it.
 * @param version of Node, such as `20.11.1`
 * @returns what is wrong with it and how to get a newer one, or null
 */
export function unsupportedNode(version: string): string | null {
  const given = version.split('.').map(Number);
  const minimum = MINIMUM_NODE.split('.').map(Number);
  const at = minimum.findIndex((part, index) => part !== given[index]);
  if (at === -1 || (given[at] as number) > (minimum[at] as number)) return null;
  return `this is Node ${version}, but Guildway needs ${MINIMUM_NODE} or later: install it from https://nodejs.org, or add it to your project with npm install node@24 and run npx guildway`;
}
