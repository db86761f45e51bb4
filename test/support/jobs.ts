import type { REST } from '@discordjs/rest';
import { Registry } from 'prom-client';
import { defineBot } from '../../src/bot/define-bot.ts';
import type { BotDefinition } from '../../src/bot/types.ts';
import { HandlerContext, type Host } from '../../src/gateway/dispatch/context.ts';
import { type ExecutionOptions, JobExecution } from '../../src/gateway/jobs/execution.ts';
import { createGatewayMetrics } from '../../src/gateway/metrics.ts';
import { NO_MEMO, type StepMemo } from '../../src/gateway/store/ledger.ts';
import type { Store } from '../../src/gateway/store/store.ts';
import { asWallTime, inMs } from '../../src/time.ts';
import { noFaults, openTestStore, silent } from './store.ts';

export const GUILD = '613425648685547541';

/** A wall clock that a test moves. */
export function movedClock(start = Date.UTC(2026, 0, 1)) {
  let at = start;
  return {
    now: () => asWallTime(at),
    advance: (ms: number) => {
      at += ms;
    },
  };
}

interface JobsOptions extends Partial<Pick<ExecutionOptions, 'crons' | 'isRun' | 'faults'>> {
  readonly clock?: ReturnType<typeof movedClock>;
}

/** A store and the jobs of a bot. `faults` may be changed while it runs. */
export function openJobs(
  path: string,
  jobs: NonNullable<BotDefinition['jobs']>,
  { clock = movedClock(), faults = noFaults, crons = new Map(), isRun = () => true }: JobsOptions = {},
) {
  const bot = defineBot({ name: 'test', jobs });
  const store = openTestStore(path, { bot: { ...testBot, jobs }, now: clock.now, faults });
  const host: Host = { pod: 0, store, rest: null as unknown as REST, owns: () => true, log: silent };
  const { handlerSeconds } = createGatewayMetrics(new Registry());
  const execution = new JobExecution({
    ...{ bot, host, crons, isRun, webhook: NO_DISCORD, faults: noFaults, handlerSeconds },
    random: () => 0,
  });
  return {
    ...{ store, host, execution, clock },
    context: (guildId: string | null = GUILD, memo: StepMemo = NO_MEMO) => contextOf(host, guildId, memo),
    /** Runs one attempt of each due job, as the runner does. */
    async runDue() {
      await store.connection.settled();
      const due = store.jobs.due(clock.now(), 100, new Set());
      store.jobs.begin(due);
      return Promise.all(due.map((job) => execution.run(job)));
    },
    [Symbol.dispose]: () => store.close(),
  };
}

/** Jobs of a bot do not use the webhook of an interaction. */
const NO_DISCORD = { send: unexpected, original: unexpected };

function unexpected(): never {
  throw new Error('no job of this test calls Discord');
}

const testBot = {
  tables: ['notes'],
  migrations: [
    'CREATE TABLE notes (guild_id TEXT NOT NULL, text TEXT NOT NULL) STRICT; CREATE INDEX notes_by_guild ON notes (guild_id)',
  ],
};

const contextOf = (host: Host, guildId: string | null, memo: StepMemo): HandlerContext =>
  new HandlerContext(host, {
    ...{ guildId, requestId: 'r', durability: 'full', memo },
    deadlineAt: inMs(1_000),
    signal: () => new AbortController().signal,
  });

/** Names and keys of the jobs that wait, the next first. */
export const waitingJobs = ({ jobs }: Store): string[] =>
  jobs.due(asWallTime(8.64e15), 10_000, new Set()).map(({ name, key }) => (key === null ? name : `${name}/${key}`));
