/** A bot that responds to `…/wait` only after a request to `…/release`. */
import { defineBot } from 'guildway';

const { promise: released, resolve: release } = Promise.withResolvers<void>();

export default defineBot({
  name: 'waiting',
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname.endsWith('/release')) release();
    if (pathname.endsWith('/wait')) await released;
    return new Response(pathname.split('/').at(-1));
  },
});
