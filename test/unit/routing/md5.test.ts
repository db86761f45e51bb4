import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { md5FirstWord } from '../../../src/routing/md5.ts';

test('the first word of a digest is read as by the published function', () => {
  for (const text of ['', '0', '197038439483310086', '9'.repeat(200)]) {
    assert.equal(md5FirstWord(text), createHash('md5').update(text).digest().readUInt32BE(0), text);
  }
});
