import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeResponse, encodeResponse } from '../../../../src/gateway/dispatch/recorded-response.ts';

test('a recorded response is repeated byte for byte, text or binary', () => {
  for (const body of [Buffer.alloc(0), Buffer.from('schön'), Buffer.from([0xff, 0xfe, 0x00]), Buffer.from('\0')]) {
    const response = { status: 201, headers: ['x-a', '1', 'x-a', '2'], body };
    assert.deepEqual(decodeResponse(encodeResponse(response)), response);
  }
});
