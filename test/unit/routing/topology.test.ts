import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  assignShards,
  createTopology,
  discordShard,
  gatewayUrl,
  getGatewayPodForGuild,
  getGatewayUrl,
  isSnowflake,
  md5FirstWord,
  parseGuildId,
} from 'guildway/routing';
import { checkGatewayUrlTemplate } from '../../../src/routing/gateway-url.ts';
import { parseTopologyText, topologyOf, topologyText } from '../../../src/routing/topology.ts';

const MAX = 2n ** 64n - 1n;
const snowflakes = fc.bigInt(1n, MAX).map(String);

/** The published contract, verbatim. */
const published = (guildId: string): number => createHash('md5').update(guildId).digest().readUInt32BE(0);

/** Snowflakes as Discord makes them: milliseconds since 2015, then worker, process and increment. Seeded. */
function* realisticSnowflakes(count: number): Generator<string> {
  let state = 0x9e3779b9;
  const random = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 0x85ebca6b) + 0x6d2b79f5) | 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < count; i++) {
    const age = BigInt(Math.floor(random() * 11.5 * 365 * 86_400_000));
    yield String(
      (age << 22n) | (BigInt(Math.floor(random() * 1024)) << 12n) | BigInt(Math.floor(random() ** 4 * 4096)),
    );
  }
}

test('the owner agrees with the published table', () => {
  const table: [string, string, ...number[]][] = [
    ['102860784329052160', '2f630fe0', 0, 1, 0, 0],
    ['81384788765712384', 'a77383ea', 0, 2, 2, 2],
    ['197038439483310086', '2836c01c', 0, 2, 4, 4],
    ['613425648685547541', 'a835bfe4', 0, 1, 0, 0],
    ['41771983423143937', '7fab125c', 0, 0, 3, 8],
    ['1234567890123456789', 'd7cce89c', 0, 0, 2, 2],
    ['18446744073709551615', '7e7825a3', 1, 2, 1, 1],
  ];
  for (const [id, word, ...owners] of table) {
    assert.equal(md5FirstWord(id).toString(16).padStart(8, '0'), word);
    assert.deepEqual(
      [2, 3, 5, 10].map((pods) => getGatewayPodForGuild(id, pods)),
      owners,
      id,
    );
  }
});

test('the owner agrees with node:crypto for any id and any number of pods', () => {
  fc.assert(
    fc.property(snowflakes, fc.integer({ min: 1, max: 10_000 }), (id, pods) => {
      assert.equal(md5FirstWord(id), published(id));
      assert.equal(getGatewayPodForGuild(id, pods), published(id) % pods);
      assert.equal(createTopology({ strategy: 'md5', pods }).ownerOf(id), published(id) % pods);
    }),
    { numRuns: 5_000 },
  );
});

test('md5 of ASCII text of any length agrees with node:crypto', () => {
  for (let length = 0; length < 130; length++) {
    const text = 'x'.repeat(length);
    assert.equal(md5FirstWord(text), published(text), `length ${length}`);
  }
});

test('guilds are spread evenly: chi-square over 200,000 realistic snowflakes, 2 to 64 pods', () => {
  const words = Array.from(realisticSnowflakes(200_000), md5FirstWord);
  for (let pods = 2; pods <= 64; pods++) {
    const counts = new Array<number>(pods).fill(0);
    for (const word of words) (counts[word % pods] as number)++;
    const expected = words.length / pods;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    const freedom = pods - 1;
    // The 99.999th percentile (Wilson-Hilferty): the ids are fixed, so this holds or it does not.
    const limit = freedom * (1 - 2 / (9 * freedom) + 4.265 * Math.sqrt(2 / (9 * freedom))) ** 3;
    assert.ok(chiSquare < limit, `${pods} pods: chi-square ${chiSquare.toFixed(1)}, limit ${limit.toFixed(1)}`);
  }
});

test("discord-shard uses Discord's formula", () => {
  fc.assert(
    fc.property(snowflakes, fc.integer({ min: 1, max: 2_000 }), (id, shards) => {
      assert.equal(BigInt(discordShard(id, shards)), (BigInt(id) >> 22n) % BigInt(shards));
    }),
  );
  assert.equal(discordShard('197038439483310086', 4), Number((197038439483310086n >> 22n) % 4n));
});

test('discord-shard: counts differ by at most one, a new pod takes only its share, and shard 0 stays', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 300 }), (pods, extra) => {
      const shards = pods + 1 + extra;
      const before = assignShards(shards, pods);
      const after = assignShards(shards, pods + 1);
      const counts = (assignment: readonly number[], of: number): number[] => {
        const result = new Array<number>(of).fill(0);
        for (const pod of assignment) (result[pod] as number)++;
        return result;
      };
      const now = counts(after, pods + 1);
      assert.ok(Math.max(...now) - Math.min(...now) <= 1, `${now}`);
      const moved = after.flatMap((pod, shard) => (pod === before[shard] ? [] : [pod]));
      assert.equal(moved.length, Math.floor(shards / (pods + 1)));
      assert.ok(moved.every((pod) => pod === pods));
      assert.equal(after[0], 0);
    }),
  );
});

test('discord-shard: the highest-numbered shard moves from the pod with the most shards, of several the highest ordinal', () => {
  assert.deepEqual(assignShards(4, 1), [0, 0, 0, 0]);
  assert.deepEqual(assignShards(4, 2), [0, 0, 1, 1]);
  // Pods 0 and 1 have two each: the higher ordinal gives away its highest shard.
  assert.deepEqual(assignShards(4, 3), [0, 0, 1, 2]);
  assert.deepEqual(assignShards(4, 4), [0, 3, 1, 2]);
  assert.throws(() => assignShards(2, 3), { code: 'CONFIG_INVALID' });
});

test('a topology knows its owners, its shards and its fingerprint', () => {
  const md5 = createTopology({ strategy: 'md5', pods: 3 });
  assert.equal(md5.ownerOf(null), 0);
  assert.equal(md5.shardsOf(1), null);
  assert.equal(md5.fingerprint, 'md5/3');
  assert.deepEqual(md5.toRecord(), { strategy: 'md5', pods: 3, shards: null, epoch: 1 });
  const sharded = createTopology({ strategy: 'discord-shard', pods: 3, shards: 4, epoch: 7 });
  assert.deepEqual([0, 1, 2].map(sharded.shardsOf), [[0, 1], [2], [3]]);
  assert.equal(sharded.ownerOf(null), 0);
  assert.equal(sharded.epoch, 7);
  assert.equal(sharded.ownerOf(String(3n << 22n)), 2);
  assert.throws(() => createTopology({ strategy: 'discord-shard', pods: 3 }), { code: 'CONFIG_INVALID' });
  assert.throws(() => createTopology({ strategy: 'md5', pods: 0 }), { code: 'CONFIG_INVALID' });
  assert.throws(() => createTopology({ strategy: 'md5', pods: 1, epoch: 0 }), { code: 'CONFIG_INVALID' });
});

test('everything that is not a snowflake is rejected', () => {
  const wrong: unknown[] = [
    ...[
      '',
      '0',
      '01',
      '00',
      '-1',
      '+1',
      '1.0',
      '1e3',
      ' 1',
      '1 ',
      '1\n',
      '0x1',
      '1n',
      'abc',
      '12a4',
      '../1',
      '%2e%2e',
      '1%2e',
    ],
    ...[
      '18446744073709551616',
      '99999999999999999999',
      '123456789012345678901',
      '\u0661\u0662\u0663',
      '\uff11\uff12',
      '1\u0000',
    ],
    ...[null, undefined, 1, 1n, Number.NaN, {}, [], ['1'], true],
  ];
  for (const value of wrong) {
    assert.equal(isSnowflake(value), false, String(value));
    assert.throws(() => parseGuildId(value), { code: 'GUILD_ID_INVALID' });
    assert.throws(() => getGatewayPodForGuild(value as string, 3), { code: 'GUILD_ID_INVALID' });
    assert.throws(() => getGatewayUrl(value as string, 3), { code: 'GUILD_ID_INVALID' });
  }
  for (const value of ['1', '18446744073709551615', '18446744073709551609', '9999999999999999999'])
    assert.ok(isSnowflake(value));
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.equal(isSnowflake(text), /^[1-9][0-9]{0,19}$/.test(text) && BigInt(text) <= MAX);
    }),
  );
  fc.assert(fc.property(fc.bigInt(MAX - 1_000n, MAX + 1_000n), (n) => assert.equal(isSnowflake(String(n)), n <= MAX)));
});

test('an invalid number of pods is rejected', () => {
  for (const pods of [
    0,
    -1,
    1.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    '3' as unknown as number,
    null as unknown as number,
  ]) {
    assert.throws(() => getGatewayPodForGuild('1', pods), { code: 'CONFIG_INVALID' });
  }
});

test('without a second argument the environment decides', (t) => {
  const saved = { ...process.env };
  t.after(() => {
    process.env = saved;
  });
  const id = '197038439483310086';
  process.env = { ...saved };
  for (const name of ['NUM_GATEWAY_PODS', 'ROUTING', 'DISCORD_SHARDS', 'GATEWAY_URL_TEMPLATE'])
    delete process.env[name];
  assert.equal(getGatewayPodForGuild(id), 2);
  assert.equal(getGatewayUrl(id), 'http://gateway-2.gateway-internal:3000');
  process.env.NUM_GATEWAY_PODS = '5';
  assert.equal(getGatewayPodForGuild(id), 4);
  assert.equal(getGatewayUrl(id), 'http://gateway-4.gateway-internal:3000');
  process.env.GATEWAY_URL_TEMPLATE = 'https://pod-{ordinal}.example:8443';
  assert.equal(getGatewayUrl(id, 3), 'https://pod-2.example:8443');
  Object.assign(process.env, { ROUTING: 'discord-shard', DISCORD_SHARDS: '8', NUM_GATEWAY_PODS: '3' });
  assert.equal(getGatewayPodForGuild(id), assignShards(8, 3)[discordShard(id, 8)]);
  process.env.NUM_GATEWAY_PODS = 'three';
  assert.throws(() => getGatewayPodForGuild(id), /NUM_GATEWAY_PODS: "three" is not allowed/);
});

test('a gateway URL template names a host per pod', () => {
  assert.equal(gatewayUrl('http://127.0.0.1:{7000+ordinal}', 12), 'http://127.0.0.1:7012');
  assert.equal(gatewayUrl('http://g{ordinal}.z{ordinal}:1', 3), 'http://g3.z3:1');
  for (const wrong of [
    'http://gateway:3000',
    'gateway-{ordinal}',
    'ftp://{ordinal}',
    'http://x-{ordinal}/path',
    'http://x-{ordinal}/?q',
  ]) {
    assert.throws(() => checkGatewayUrlTemplate(wrong), { code: 'CONFIG_INVALID' }, wrong);
  }
});

test('topologies have the same fingerprint only if they have the same owners', () => {
  const decisions = [
    { strategy: 'md5', pods: 3 },
    { strategy: 'md5', pods: 4 },
    { strategy: 'discord-shard', pods: 3, shards: 8 },
    { strategy: 'discord-shard', pods: 3, shards: 16 },
    { strategy: 'discord-shard', pods: 4, shards: 16 },
  ] as const;
  const fingerprints = decisions.map((decision) => createTopology(decision).fingerprint);
  assert.equal(new Set(fingerprints).size, decisions.length);
  assert.equal(createTopology({ strategy: 'md5', pods: 3, epoch: 7 }).fingerprint, fingerprints[0]);
});

test('a topology has a one-word form, and nothing else is parsed as one', () => {
  assert.equal(topologyText(createTopology({ strategy: 'md5', pods: 5, epoch: 2 })), 'md5/5@2');
  assert.equal(
    topologyText(createTopology({ strategy: 'discord-shard', pods: 5, shards: 16, epoch: 3 })),
    'discord-shard/16/5@3',
  );
  fc.assert(
    fc.property(
      fc.constantFrom('md5' as const, 'discord-shard' as const),
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 10_000, max: 100_000 }),
      fc.integer({ min: 1, max: 999_999_999_999_999 }),
      (strategy, pods, shards, epoch) => {
        const record = { strategy, pods, shards: strategy === 'md5' ? null : shards, epoch };
        assert.deepEqual(parseTopologyText(topologyText(record)), record);
      },
    ),
  );
  for (const wrong of [
    ...[
      '',
      'md5/5',
      'md5/5@',
      'md5/5@0',
      'md5/0@1',
      'md5/05@1',
      'md5/5@01',
      ' md5/5@1',
      'md5/5@1 ',
      'md5/5@1\n',
      'MD5/5@1',
    ],
    ...['md5/16/5@1', 'md5/10001@1', 'md5/5@1e3', 'md5/5@1000000000000000', 'md5/-5@1', 'md5/5.0@1', 'md5/5@1,md5/6@2'],
    ...['discord-shard/5@1', 'discord-shard/4/5@1', 'discord-shard/100001/5@1', 'discord-shard/x/5@1', 'sha1/5@1'],
  ]) {
    assert.equal(parseTopologyText(wrong), null, JSON.stringify(wrong));
  }
  const guild = '197038439483310086';
  const topology = createTopology({ strategy: 'discord-shard', pods: 3, shards: 8 });
  assert.equal(topologyOf(topology.toRecord()).ownerOf(guild), topology.ownerOf(guild));
});
