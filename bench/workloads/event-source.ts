/**
 * The Discord of workload (f) in a separate process: the simulator with guilds in which users write messages on request. It reports
 * its URL. On `{ send: n }` it sends n MESSAGE_CREATE events as fast as the sockets accept them.
 *
 * node bench/workloads/event-source.ts <guilds>
 */
import { startDiscordSimulator } from '../../testkit/discord/index.ts';

const simulator = await startDiscordSimulator({ guilds: Number(process.argv[2]), replayBufferSize: 1_000 });

/** Events in one turn. The event loop must continue to write them. */
const SLICE = 200;

async function send(count: number): Promise<void> {
  const { ids } = simulator.guilds;
  for (let sent = 0; sent < count; ) {
    const until = Math.min(count, sent + SLICE);
    for (; sent < until; sent++) {
      simulator.events.messageCreate({
        guildId: ids[sent % ids.length] as string,
        content: 'Has anybody seen the notes of the last meeting? I thought they were pinned.',
      });
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

process.on('message', ({ send: count }: { send: number }) => {
  void send(count).then(() => process.send?.({ sent: count }));
});
process.on('disconnect', () => process.exit(0));

const { apiUrl, applicationId, token, guilds } = simulator;
process.send?.({ apiUrl, applicationId, token, guilds: guilds.ids });
