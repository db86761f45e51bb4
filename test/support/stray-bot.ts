/** A bot whose handler causes an unhandled rejection. */
import { defineBot } from 'guildway';

export default defineBot({
  name: 'stray',
  async fetch(request) {
    if (new URL(request.url).pathname === '/stray') void Promise.reject(new Error('unhandled on purpose'));
    return new Response('fine');
  },
});
