import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShardSessions } from '../../../../src/gateway/discord/sessions.ts';
import { openTestStore, temporaryFolder } from '../../../support/store.ts';

test('failed resumes are counted across processes until one succeeds', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const sessions = new ShardSessions(store.sessions);
  sessions.start({ shardId: 0, shardCount: 1, sessionId: 'a', sequence: 1, resumeURL: 'wss://one.example' });
  sessions.persist();
  assert.deepEqual([sessions.resumeFailed(0), sessions.resumeFailed(0)], [1, 2]);
  sessions.persist();
  const next = new ShardSessions(store.sessions);
  assert.equal(next.resumeFailed(0), 3);
  next.resumeSucceeded(0);
  assert.equal(next.resumeFailed(0), 1);
});

test('a resume that fails before its session is first stored counts', () => {
  using folder = temporaryFolder();
  using store = openTestStore(folder.file('pod'));
  const sessions = new ShardSessions(store.sessions);
  for (const sessionId of ['first', 'second']) {
    sessions.start({ shardId: 0, shardCount: 1, sessionId, sequence: 1, resumeURL: 'wss://one.example' });
    sessions.resumeFailed(0);
    sessions.persist();
    assert.equal(store.sessions.read(0)?.failedResumes, 1, sessionId);
  }
});
