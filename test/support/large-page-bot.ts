/** A bot whose pages are as large as their last segment says, in megabytes, and made anew each time. */
import { defineBot } from 'guildway';

let made = 0;

export default defineBot({
  name: 'large-pages',
  fetch(request) {
    const megabytes = Number(new URL(request.url).pathname.split('/').at(-1));
    return new Response(Buffer.alloc(megabytes * 1024 * 1024, String(made++ % 10)));
  },
});
