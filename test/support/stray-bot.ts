/** A bot whose handler loses a promise that is rejected. */
import { defineBot } from 'guildway';

export default defineBot({
  name: 'stray',
  async fetch(request) {
    if (new URL(request.url).pathname === '/stray') void Promise.reject(new Error('nobody waits for this'));
    return new Response('fine');
  },
});
