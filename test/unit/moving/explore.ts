import { Broken, type Fault, type Scenario, World } from './world.ts';

export interface Exploration {
  /** The number of distinct worlds. */
  readonly states: number;
  /** The number of tried events in total. */
  readonly steps: number;
  /** The first broken rule, and the events that lead to it. */
  readonly broken: { readonly why: string; readonly events: readonly string[] } | null;
}

/** Tries every order of all possible events to a depth. Breadth first, so that failures are short. */
export function explore(
  scenario: Scenario,
  limits: { readonly depth: number; readonly states: number },
  fault: Fault | null = null,
): Exploration {
  const first = new World({ scenario, fault });
  const seen = new Set([first.key()]);
  let frontier: { world: World; path: readonly string[] }[] = [{ world: first, path: [] }];
  let steps = 0;
  for (let depth = 0; depth < limits.depth; depth++) {
    const next: typeof frontier = [];
    for (const { world, path } of frontier) {
      for (const { name, happen } of world.events()) {
        steps++;
        const after = new World(world);
        const events = [...path, name];
        try {
          happen(after);
          after.check();
        } catch (error) {
          if (error instanceof Broken) return { states: seen.size, steps, broken: { why: error.message, events } };
          throw error;
        }
        const key = after.key();
        if (seen.has(key)) continue;
        seen.add(key);
        next.push({ world: after, path: events });
        if (seen.size >= limits.states) return { states: seen.size, steps, broken: null };
      }
    }
    frontier = next;
  }
  return { states: seen.size, steps, broken: null };
}

/** One walk of random events, then none: the move must complete. */
export function walk(scenario: Scenario, seed: number, length: number, fault: Fault | null = null): Exploration {
  const world = new World({ scenario, fault });
  const random = mulberry32(seed);
  const events: string[] = [];
  try {
    for (let step = 0; step < length; step++) {
      const possible = world.events();
      const event = possible[Math.floor(random() * possible.length)];
      if (event === undefined) break;
      events.push(event.name);
      event.happen(world);
      world.check();
    }
    events.push('(peace)');
    world.calm();
  } catch (error) {
    if (error instanceof Broken)
      return { states: events.length, steps: events.length, broken: { why: error.message, events } };
    throw error;
  }
  return { states: events.length, steps: events.length, broken: null };
}

/** A small seeded generator of random numbers from 0 to 1. */
function mulberry32(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
