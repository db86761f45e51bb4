/** A bot with pages of the size in megabytes that their last path segment names. Each page is newly allocated. */
import { defineBot } from 'guildway';

let made = 0;

export default defineBot({
  name: 'large-pages',
  fetch(request) {
    const megabytes = Number(new URL(request.url).pathname.split('/').at(-1));
    return new Response(Buffer.alloc(megabytes * 1024 * 1024, String(made++ % 10)));
  },
});
