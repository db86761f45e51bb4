import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorPage } from '../../../../src/http/inbound/error-page.ts';

test('an error page says what is wrong, escapes it, and tries again only when that may help', () => {
  const page = errorPage({ status: 503, error: 'the <owner> is away', requestId: '"r"', retryAfterS: 3 });
  assert.match(page, /The &lt;owner&gt; is away\./);
  assert.match(page, /Reference: &quot;r&quot;/);
  assert.match(page, /http-equiv="refresh" content="3"/);
  const final = errorPage({ status: 400, error: 'no', requestId: 'r', retryAfterS: null });
  assert.match(final, /<h1>400 Bad Request<\/h1>/);
  assert.doesNotMatch(final, /refresh|again/);
});
