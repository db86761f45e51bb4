// A killed process or a full disk in any step of a move leaves the step complete or undone.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { errorCode } from '../../../../../src/errors.ts';
import { fillKilled, KILLED_BOT, KILLED_GUILD, move, openPod, records, stateOf } from '../../../../support/moving.ts';
import { temporaryFolder } from '../../../../support/store.ts';

const CHILD = fileURLToPath(new URL('../../../../support/moving-child.ts', import.meta.url));
const OTHER = '1000000000000000002';

test('a process that is killed in any step of a move leaves the step complete or undone', async () => {
  const whole = '200 notes, 200 words';
  const none = '0 notes, 0 words';
  const steps: Record<string, [string, string]> = {
    'during the export': [`${whole}, no record`, `${none}, no record`],
    'during the import': [`${whole}, no record`, `${none}, no record`],
    'before the commit of the import': [`${whole}, no record`, `${none}, no record`],
    'after the import': [`${whole}, no record`, `${whole}, arriving`],
    'before the commit of the removal': [`${whole}, no record`, `${whole}, arriving`],
    'after the removal': [`${none}, moved`, `${whole}, arriving`],
  };
  await Promise.all(
    Object.entries(steps).map(async ([step, expected]) => {
      using folder = temporaryFolder();
      const paths = [folder.file('0'), folder.file('1')] as const;
      {
        using from = openPod(paths[0], 0, KILLED_BOT);
        fillKilled(from, KILLED_GUILD, 200);
        fillKilled(from, OTHER, 3);
      }
      const child = spawn(process.execPath, [CHILD, ...paths, step], { stdio: 'inherit' });
      const [, signal] = await once(child, 'exit');
      assert.equal(signal, 'SIGKILL', step);
      using from = openPod(paths[0], 0, KILLED_BOT);
      using to = openPod(paths[1], 1, KILLED_BOT);
      assert.deepEqual([stateOf(from, KILLED_GUILD), stateOf(to, KILLED_GUILD)], expected, step);
      assert.equal(stateOf(from, OTHER), '3 notes, 3 words, no record', step);
      assert.equal(stateOf(from, '1'), '0 notes, 0 words, no record', 'no trigger has run');
      const copies = from.mover.setAside.totals().guilds;
      assert.equal(copies, step === 'after the removal' ? 1 : 0, step);
      const triggers = from.connection.sqlite.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE type = 'trigger'");
      assert.equal(triggers.get()?.n, 1, step);
    }),
  );
});

test('a full disk undoes a step on either side, and the move continues when there is room', (t) => {
  using folder = temporaryFolder();
  const disk = join(folder.path, 'disk');
  mkdirSync(disk);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk]).status !== 0) {
    t.skip('mounting a small disk needs root');
    return;
  }
  const fill = (): void => {
    try {
      writeFileSync(join(disk, 'filler'), Buffer.alloc(4 * 1024 * 1024));
    } catch {
      // Full, as it should be.
    }
  };
  const failed = (error: unknown): boolean => errorCode(error) === 'STORE_FAILED';
  try {
    using full = openPod(join(disk, '0'), 0, KILLED_BOT);
    using other = openPod(folder.file('1'), 1, KILLED_BOT);
    fillKilled(other, KILLED_GUILD, 200);
    const chunks = [...other.mover.exportGuilds([KILLED_GUILD])];
    fill();
    assert.throws(() => full.mover.importGuilds(chunks, records('arriving', [KILLED_GUILD])), failed);
    assert.equal(stateOf(full, KILLED_GUILD), '0 notes, 0 words, no record');
    rmSync(join(disk, 'filler'));
    move(other, full, [KILLED_GUILD]);
    assert.equal(stateOf(full, KILLED_GUILD), '200 notes, 200 words, arriving');

    const back = [...full.mover.exportGuilds([KILLED_GUILD])];
    fill();
    assert.throws(() => full.mover.removeGuilds(back, records('moved', [KILLED_GUILD])), failed);
    assert.equal(stateOf(full, KILLED_GUILD), '200 notes, 200 words, arriving');
    assert.equal(full.connection.fatal, null, 'it is not damaged');
    rmSync(join(disk, 'filler'));
    full.mover.removeGuilds(back, records('moved', [KILLED_GUILD]));
    assert.equal(stateOf(full, KILLED_GUILD), '0 notes, 0 words, moved');
  } finally {
    spawnSync('umount', ['-l', disk]);
  }
});
