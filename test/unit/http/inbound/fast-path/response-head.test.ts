import assert from 'node:assert/strict';
import { test } from 'node:test';
import { responseHead } from '../../../../../src/http/inbound/fast-path/response-head.ts';

test('a head has its status line and each field in the order given', () => {
  assert.equal(responseHead(204, ['x-a', '1', 'x-a', '2']), 'HTTP/1.1 204 No Content\r\nx-a: 1\r\nx-a: 2\r\n');
  assert.equal(responseHead(599, []), 'HTTP/1.1 599 unknown\r\n');
});
