// What a bot may do wrong at the local gateway: it is bounded, and the pod's sessions at Discord are not hurt. Of
// src/gateway/beside/compression.ts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createInflate, createZstdDecompress } from 'node:zlib';
import { WebSocket } from 'ws';
import { type DiscordSimulator, startDiscordSimulator } from '../../../../testkit/discord/index.ts';
import { type BesidePod, logIn, startBesidePod } from '../../../support/beside-pod.ts';
import { temporaryFolder } from '../../../support/store.ts';
import { until } from '../../../support/wait.ts';

const stack = new AsyncDisposableStack();
let discord: DiscordSimulator;
let pod: BesidePod;

before(async () => {
  discord = stack.use(await startDiscordSimulator({ guilds: 5, identifyWindowMs: 0 }));
  const folder = stack.use(temporaryFolder());
  pod = stack.use(await startBesidePod(discord, { databasePath: folder.file('pod') }));
  stack.use(await logIn(pod, discord.token));
});
after(() => stack.disposeAsync());

interface Payload {
  readonly op: number;
  readonly t: string | null;
  readonly s: number | null;
  readonly d: Readonly<Record<string, unknown>>;
}

/** A client without a library. */
class RawBot {
  readonly payloads: Payload[] = [];
  closeCode: number | null = null;
  readonly #socket: WebSocket;

  constructor(
    query = '?v=10&encoding=json',
    read: (data: Buffer, take: (text: string) => void) => void = (data, take) => take(String(data)),
  ) {
    this.#socket = new WebSocket(`ws://127.0.0.1:${pod.port}/${query}`);
    this.#socket.on('message', (data: Buffer) => read(data, (text) => this.payloads.push(JSON.parse(text) as Payload)));
    this.#socket.on('close', (code) => {
      this.closeCode = code;
    });
    this.#socket.on('error', () => {
      this.closeCode ??= 0;
    });
  }

  send(payload: unknown): void {
    this.#socket.send(typeof payload === 'string' ? payload : JSON.stringify(payload));
  }

  identify(facts: object = {}): void {
    this.send({ op: 2, d: { token: discord.token, intents: 33283, properties: {}, ...facts } });
  }

  resume(session: string, sequence: number): void {
    this.send({ op: 6, d: { token: discord.token, session_id: session, seq: sequence } });
  }

  find(wanted: number | string): Promise<Payload> {
    return until(`payload ${wanted}`, () => this.payloads.find(({ op, t }) => op === wanted || t === wanted));
  }

  closed(): Promise<number> {
    return until('the close', () => this.closeCode);
  }

  close(): void {
    this.#socket.close(4000);
  }
}

const isUntouched = (): void => {
  assert.equal(pod.state().ready, true);
  assert.equal(discord.gateway.identifies().length, 1);
  assert.deepEqual(discord.violations.list(), []);
};

test('garbage, a long message, a flood and a wrong token close the connection as Discord does', async () => {
  const cases: [string, (bot: RawBot) => void, number][] = [
    ['garbage', (bot) => bot.send('not JSON'), 4002],
    ['a long message', (bot) => bot.send({ op: 1, d: 'x'.repeat(5_000) }), 4002],
    ['an opcode', (bot) => bot.send({ op: 99, d: null }), 4001],
    [
      'a flood',
      (bot) => {
        for (let i = 0; i < 130; i++) bot.send({ op: 1, d: null });
      },
      4008,
    ],
    ['a wrong token', (bot) => bot.identify({ token: 'wrong' }), 4004],
    ['shards', (bot) => bot.identify({ shard: [1, 2] }), 4010],
    ['before it has identified', (bot) => bot.send({ op: 3, d: {} }), 4003],
  ];
  for (const [what, misbehave, code] of cases) {
    const bot = new RawBot();
    await bot.find(10);
    misbehave(bot);
    assert.equal(await bot.closed(), code, what);
  }
  isUntouched();
});

test('a thousand sockets are refused beyond a few', async () => {
  const bots = Array.from({ length: 1_000 }, () => new RawBot());
  await until('most are refused', () => bots.filter(({ closeCode }) => closeCode !== null).length >= 980);
  isUntouched();
  for (const bot of bots) bot.close();
  await Promise.all(bots.map((bot) => bot.closed()));
});

test('a session is resumed with the events that it missed; an unknown one is not', async () => {
  const first = new RawBot();
  await first.find(10);
  first.identify();
  const { d: ready } = await first.find('READY');
  await until('its guilds', () => first.payloads.filter(({ t }) => t === 'GUILD_CREATE').length === 5);
  const seen = first.payloads.at(-1)?.s ?? 0;
  first.close();
  await first.closed();
  discord.events.messageCreate({ guildId: discord.guilds.at(0).id, content: 'missed' });
  const second = new RawBot();
  await second.find(10);
  second.resume(String(ready.session_id), seen);
  await second.find('RESUMED');
  discord.events.messageCreate({ guildId: discord.guilds.at(0).id, content: 'next' });
  await until('the next event', () => second.payloads.some(({ d }) => d?.content === 'next'));
  second.close();
  const third = new RawBot();
  await third.find(10);
  third.resume('unknown', 1);
  assert.equal((await third.find(9)).d, false);
  third.close();
  isUntouched();
});

for (const [name, decoder] of [
  ['zlib-stream', createInflate],
  ['zstd-stream', createZstdDecompress],
] as const) {
  test(`${name} is one stream for the connection, one message for each payload`, async () => {
    const stream = decoder();
    stack.defer(() => void stream.destroy());
    let text = '';
    let bot: RawBot | null = null;
    const messages: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => (text += chunk));
    bot = new RawBot(`?v=10&encoding=json&compress=${name}`, (data) => {
      messages.push(data);
      stream.write(data);
    });
    await until('HELLO', () => text.includes('heartbeat_interval'));
    bot.identify();
    await until('the guilds', () => text.match(/"t":"GUILD_CREATE"/g)?.length === 5);
    assert.equal(messages.length, 7);
    bot.close();
    isUntouched();
  });
}
