/** A bot that, on a signal, throws an uncaught error or causes an unhandled rejection. */
import { defineBot } from 'guildway';

/** Contains a user's text, as errors of REST clients do. */
const error = (message: string) => Object.assign(new Error(message), { requestBody: { json: "a user's text" } });

process.on('SIGUSR2', () => {
  throw error('thrown and not caught');
});
process.on('SIGHUP', () => void Promise.reject(error('rejected and not handled')));

export default defineBot({ name: 'crashing', fetch: async () => new Response('fine') });
