/** A bot whose websockets follow the client's commands. It records how each one ended. */
import { defineBot } from '../../src/bot/index.ts';

const ROOM = /^\/app\/\d+\/live$/;

export default defineBot({
  name: 'live',
  tables: ['closes'],
  migrations: ['CREATE TABLE closes (guild_id TEXT NOT NULL, code INTEGER, reason TEXT, aborted INTEGER NOT NULL)'],
  fetch: (_request, context) =>
    Response.json(context.db.all('SELECT code, reason, aborted FROM closes WHERE guild_id = ?', context.guildId)),
  websocket: {
    origins: ['https://dashboard.example'],
    maxPayloadBytes: 2_000,
    upgrade(request) {
      const { pathname, searchParams } = new URL(request.url);
      if (!ROOM.test(pathname)) return new Response('no such room\n', { status: 404 });
      const key = searchParams.get('key');
      if (key === 'wrong') return new Response('another key, please\n', { status: 401, headers: { 'x-room': 'live' } });
      if (key === 'throws') throw new Error('thrown in upgrade');
      if (key === 'hangs') return new Promise<undefined>(() => {});
      return searchParams.get('protocol') === null ? undefined : { protocol: 'chat', headers: { 'x-room': 'live' } };
    },
    open(peer, { guildId, pod, deadline }) {
      peer.subscribe('room');
      peer.send({ guildId, pod, internal: peer.request.headers.has('guildway-auth'), left: deadline.remainingMs() });
    },
    async message(peer, message, context) {
      const text = message.text();
      if (text === 'throw') throw new Error('thrown in message');
      if (text === 'bye') peer.close(4001, 'as asked');
      else if (text === 'flood') while (peer.websocket.readyState === 1) peer.send('x'.repeat(10_000));
      else if (text.startsWith('publish ')) peer.publish('room', text.slice(8));
      else if (text.startsWith('wait ')) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        peer.send(text);
      } else peer.send(context.transaction(() => text));
    },
    close(_peer, { code, reason }, { db, guildId, signal }) {
      const values = [guildId, code ?? null, reason ?? null, Number(signal.aborted)];
      db.run('INSERT INTO closes VALUES (?, ?, ?, ?)', ...values);
    },
  },
});
