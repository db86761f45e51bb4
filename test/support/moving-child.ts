/**
 * A process of its own that ends itself with SIGKILL in one step of a move. Arguments: the two databases, and the step. The guild and the
 * bot are those of `moving.ts`.
 */
import type { Recorded } from '../../src/gateway/store/moving/guild-mover.ts';
import { KILLED_BOT, KILLED_GUILD, openPod, records } from './moving.ts';

const [, , fromPath = '', toPath = '', step = ''] = process.argv;
const die = (at: string): void => {
  if (step === at) process.kill(process.pid, 'SIGKILL');
};

/** Kills the process after all but the last `left` values were iterated. */
const killedAt = <Value>(at: string, values: readonly Value[], left = 0): readonly Value[] =>
  Object.assign([...values], {
    *[Symbol.iterator]() {
      for (let i = 0; i < values.length - left; i++) yield values[i] as Value;
      die(at);
      for (let i = values.length - left; i < values.length; i++) yield values[i] as Value;
    },
  });

/** A transaction writes the records last. */
function diesWith(at: string, { state, writes }: Recorded): Recorded {
  return { state, writes: killedAt(at, writes) };
}

const from = openPod(fromPath, 0, KILLED_BOT);
const to = openPod(toPath, 1, KILLED_BOT);
const chunks: Buffer[] = [];
for (const chunk of from.mover.exportGuilds([KILLED_GUILD])) {
  chunks.push(chunk);
  die('during the export');
}
to.mover.importGuilds(
  killedAt('during the import', chunks, 1),
  diesWith('before the commit of the import', records('arriving', [KILLED_GUILD])),
);
die('after the import');
from.mover.removeGuilds(chunks, diesWith('before the commit of the removal', records('moved', [KILLED_GUILD])));
die('after the removal');
