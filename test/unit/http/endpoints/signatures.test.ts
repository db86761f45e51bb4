import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { SignatureVerifier, signatureBytes, verifyEd25519 } from '../../../../src/http/endpoints/discord-signature.ts';
import { verifyStripe } from '../../../../src/http/endpoints/stripe-signature.ts';
import { asWallTime } from '../../../../src/time.ts';

interface Vectors {
  readonly numberOfTests: number;
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly {
      readonly tcId: number;
      readonly msg: string;
      readonly sig: string;
      readonly result: string;
    }[];
  }[];
}

test('accepts and rejects exactly what the Wycheproof vectors of Ed25519 say', () => {
  const file = new URL('../../../vectors/wycheproof-ed25519.json', import.meta.url);
  const vectors = JSON.parse(readFileSync(file, 'utf8')) as Vectors;
  let seen = 0;
  for (const { publicKey, tests } of vectors.testGroups) {
    for (const { tcId, msg, sig, result } of tests) {
      // As for an interaction: its signature is decoded first.
      const signature = signatureBytes(sig);
      const accepted =
        signature !== null && verifyEd25519(signature, Buffer.from(msg, 'hex'), Buffer.from(publicKey.pk, 'hex'));
      assert.equal(accepted, result === 'valid', `vector ${tcId}`);
      seen++;
    }
  }
  assert.equal(seen, vectors.numberOfTests);
});

const pair = generateKeyPairSync('ed25519');
const publicKey = pair.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
const now = asWallTime(1_700_000_000_000);
const timestamp = String(now / 1_000);
const signed = (body: Buffer, at = timestamp) => ({
  signature: sign(null, Buffer.concat([Buffer.from(at), body]), pair.privateKey).toString('hex'),
  timestamp: at,
});
/** As the edge does: checks the headers, then the body. */
async function accepts(
  verifier: SignatureVerifier,
  { signature, timestamp: at }: ReturnType<typeof signed>,
  body: Buffer,
): Promise<boolean> {
  const claim = verifier.claimOf(['x-signature-ed25519', signature, 'x-signature-timestamp', at]);
  return claim !== null && (await verifier.verify(claim, body));
}

test('a signature is valid only for its timestamp and its exact body', async () => {
  const verifier = new SignatureVerifier(publicKey, 600_000, () => now);
  const body = Buffer.from('{"type":1}');
  assert.ok(await accepts(verifier, signed(body), body));
  assert.ok(!(await accepts(verifier, signed(body), Buffer.from('{"type":2}'))));
  assert.ok(!(await accepts(verifier, { ...signed(body), timestamp: '1700000001' }, body)));
  // Moving a digit from the timestamp into the body leaves the signed bytes the same.
  const moved = { ...signed(body), timestamp: timestamp.slice(0, -1) };
  assert.ok(!(await accepts(verifier, moved, Buffer.concat([Buffer.from(timestamp.slice(-1)), body]))));
});

test('concurrent verifications each get their own result', async () => {
  const verifier = new SignatureVerifier(publicKey, 600_000, () => now);
  const bodies = Array.from({ length: 50 }, (_, i) => Buffer.from(`{"type":${i}}`));
  const answers = await Promise.all(
    bodies.map((body, i) => accepts(verifier, signed(bodies[i % 3 === 0 ? i : (i + 1) % 50] as Buffer), body)),
  );
  assert.deepEqual(
    answers,
    bodies.map((_, i) => i % 3 === 0),
  );
});

test('a timestamp far from the clock is rejected, unless the window is disabled', async () => {
  const body = Buffer.from('{}');
  const old = signed(body, String(now / 1_000 - 601));
  assert.ok(!(await accepts(new SignatureVerifier(publicKey, 600_000, () => now), old, body)));
  assert.ok(await accepts(new SignatureVerifier(publicKey, 0, () => now), old, body));
  const early = signed(body, String(now / 1_000 + 601));
  assert.ok(!(await accepts(new SignatureVerifier(publicKey, 600_000, () => now), early, body)), 'of the future, too');
  assert.ok(await accepts(new SignatureVerifier(publicKey, 0, () => now), early, body));
  for (const seconds of [-599, 599]) {
    const near = signed(body, String(now / 1_000 + seconds));
    assert.ok(await accepts(new SignatureVerifier(publicKey, 600_000, () => now), near, body));
  }
});

test('without a public key every signature is rejected', async () => {
  const body = Buffer.from('{}');
  assert.ok(!(await accepts(new SignatureVerifier(null, 0, () => now), signed(body), body)));
});

test('a repeated signature is invalid, even if both values are equal', () => {
  const verifier = new SignatureVerifier(publicKey, 600_000, () => now);
  const { signature } = signed(Buffer.from('{}'));
  const headers = ['x-signature-ed25519', signature, 'x-signature-timestamp', timestamp];
  assert.notEqual(verifier.claimOf(headers), null);
  assert.equal(verifier.claimOf([...headers, 'x-signature-ed25519', signature]), null);
  assert.equal(verifier.claimOf([...headers, 'x-signature-timestamp', timestamp]), null);
});

test('arbitrary headers are accepted or rejected without an error', async () => {
  const verifier = new SignatureVerifier(publicKey, 600_000, () => now);
  const value = fc.oneof(fc.string(), fc.constant('00'.repeat(64)), fc.constant(timestamp));
  const name = fc.constantFrom('x-signature-ed25519', 'x-signature-timestamp', 'x-other');
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, value)), fc.uint8Array(), async (headers, body) => {
      const claim = verifier.claimOf(headers.flat());
      if (claim !== null) assert.equal(await verifier.verify(claim, Buffer.from(body)), false);
    }),
    { numRuns: 2_000 },
  );
});

test("Stripe's signature: the body, the time, several v1", () => {
  const secret = 'whsec_test';
  const body = Buffer.from('{"id":"evt_1"}');
  const mac = (at: string, of = body) => createHmac('sha256', secret).update(`${at}.`).update(of).digest('hex');
  assert.ok(verifyStripe(secret, `t=${timestamp},v1=${mac(timestamp)}`, body, () => now));
  assert.ok(verifyStripe(secret, `t=${timestamp},v1=${'0'.repeat(64)},v1=${mac(timestamp)},v0=x`, body, () => now));
  assert.ok(!verifyStripe(secret, `t=${timestamp},v1=${mac(timestamp)}`, Buffer.from('{}'), () => now));
  assert.ok(!verifyStripe(secret, `t=1,v1=${mac('1')}`, body, () => now));
  for (const [seconds, accepted] of [
    [-301, false],
    [-299, true],
    [299, true],
    [301, false],
  ] as const) {
    const at = String(now / 1_000 + seconds);
    assert.equal(
      verifyStripe(secret, `t=${at},v1=${mac(at)}`, body, () => now),
      accepted,
      `${seconds} s from the clock`,
    );
  }
  assert.ok(!verifyStripe('another', `t=${timestamp},v1=${mac(timestamp)}`, body, () => now));
  fc.assert(
    fc.property(fc.anything(), (header) =>
      assert.equal(
        verifyStripe(secret, header, body, () => now),
        false,
      ),
    ),
  );
});

/** The log of rejections. */
function refusals() {
  const said: { level: 'info' | 'warn'; facts: Record<string, unknown>; message: string }[] = [];
  const say = (level: 'info' | 'warn') => (facts: Record<string, unknown>, message: string) =>
    void said.push({ level, facts, message });
  return { said, log: { info: say('info'), warn: say('warn') } };
}

test('the reasons for rejecting a Discord signature: form, clock, key and signature', async () => {
  const body = Buffer.from('{"type":1}');
  const { said, log } = refusals();
  const verifier = new SignatureVerifier(publicKey, 600_000, () => now, log);
  const refused = async (claim: ReturnType<typeof signed>, of = body): Promise<string> => {
    assert.equal(await accepts(verifier, claim, of), false);
    assert.equal(said.length, 1);
    const [{ level, message, facts }] = said.splice(0) as [(typeof said)[0]];
    return `${level} ${message} ${JSON.stringify(facts)}`;
  };
  const other = Buffer.from('{"type":2}');
  assert.match(
    await refused({ ...signed(body), signature: 'beef' }),
    /^info .*no Discord signature, or a malformed one/,
  );
  assert.match(
    await refused(signed(body, String(now / 1_000 - 3_600))),
    /^warn .*clock.*"secondsBehindThisClock":3600/,
  );
  assert.match(
    await refused(signed(body, String(now / 1_000 + 3_600))),
    /^warn .*clock.*"secondsBehindThisClock":-3600/,
  );
  // While no signature was valid, a wrong key is the most likely cause.
  assert.match(await refused(signed(body), other), /^warn .*is DISCORD_PUBLIC_KEY this application's\?/);
  assert.ok(await accepts(verifier, signed(body), body));
  assert.match(await refused(signed(body), other), /^warn .*forged or altered/);
  const without = refusals();
  assert.equal(await accepts(new SignatureVerifier(null, 0, () => now, without.log), signed(body), body), false);
  assert.match(String(without.said[0]?.message), /DISCORD_PUBLIC_KEY is not set/);
});

test('the reasons for rejecting a Stripe signature', () => {
  const secret = 'whsec_test';
  const body = Buffer.from('{"id":"evt_1"}');
  const header = (at: string, key = secret) =>
    `t=${at},v1=${createHmac('sha256', key).update(`${at}.`).update(body).digest('hex')}`;
  const refused = (given: string | undefined): string => {
    const { said, log } = refusals();
    assert.equal(
      verifyStripe(secret, given, body, () => now, log),
      false,
    );
    assert.equal(said.length, 1);
    return `${said[0]?.level} ${said[0]?.message} ${JSON.stringify(said[0]?.facts)}`;
  };
  assert.match(refused(undefined), /^info .*no Stripe signature/);
  assert.match(refused(`t=${timestamp},v1=abc`), /^info .*malformed/);
  assert.match(refused(header(String(now / 1_000 - 900))), /^warn .*clock.*"secondsBehindThisClock":900/);
  // Such as one with a trailing line break.
  assert.match(refused(header(timestamp, `${secret}\n`)), /^warn .*is STRIPE_WEBHOOK_SECRET this endpoint's\?/);
});

test('setting the clock while the pod runs rejects no fresh signature', async (t) => {
  for (const stepMs of [-900_000, 900_000]) {
    const signedAt = Math.floor(Date.now() / 1_000);
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() + stepMs });
    const steppedAt = Math.floor(Date.now() / 1_000);
    const body = Buffer.from('{"n":1}');
    const verifier = new SignatureVerifier(publicKey, 600_000);
    // The step may be a correction or a mistake.
    for (const at of [signedAt, steppedAt]) {
      assert.ok(await accepts(verifier, signed(body, String(at)), body), `${stepMs} ms`);
      const mac = createHmac('sha256', 'whsec').update(`${at}.`).update(body).digest('hex');
      assert.ok(verifyStripe('whsec', `t=${at},v1=${mac}`, body), `${stepMs} ms`);
    }
    assert.ok(!(await accepts(verifier, signed(body, String(signedAt - 2 * 86_400)), body)));
    t.mock.timers.reset();
  }
});
