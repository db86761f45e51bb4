/**
 * A process of its own that ends itself with SIGKILL in one step of a move. Arguments: the two databases, and the step. The guild and the
 * bot are those of `moving.ts`.
 */
import type { GuildMove } from '../../src/gateway/store/moving/moves.ts';
import { KILLED_BOT, KILLED_GUILD, openPod, records } from './moving.ts';

const [, , fromPath = '', toPath = '', step = ''] = process.argv;
const die = (at: string): void => {
  if (step === at) process.kill(process.pid, 'SIGKILL');
};

/** Ends the process when somebody has read the last record for the n-th time: a transaction writes them last. */
function recordsUntil(moves: GuildMove[], at: string, times: number): GuildMove[] {
  let reads = 0;
  return Object.assign(moves, {
    *[Symbol.iterator]() {
      for (let i = 0; i < moves.length; i++) yield moves[i];
      if (++reads === times) die(at);
    },
  });
}

const from = openPod(fromPath, 0, KILLED_BOT);
const to = openPod(toPath, 1, KILLED_BOT);
const chunks: Buffer[] = [];
for (const chunk of from.mover.exportGuilds([KILLED_GUILD])) {
  chunks.push(chunk);
  die('during the export');
}
const arriving = (function* () {
  for (const [i, chunk] of chunks.entries()) {
    if (i === chunks.length - 1) die('during the import');
    yield chunk;
  }
})();
to.mover.importGuilds(
  arriving,
  recordsUntil(records('arriving', [KILLED_GUILD]), 'before the commit of the import', 1),
);
die('after the import');
from.mover.removeGuilds(chunks, recordsUntil(records('moved', [KILLED_GUILD]), 'before the commit of the removal', 2));
die('after the removal');
