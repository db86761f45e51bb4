/** A bot that, when it is told to by a signal, throws where nobody catches it, or loses a promise that is rejected. */
import { defineBot } from 'guildway';

/** As errors of REST clients do, it carries what somebody wrote. */
const error = (message: string) => Object.assign(new Error(message), { requestBody: { json: 'what somebody wrote' } });

process.on('SIGUSR2', () => {
  throw error('thrown to nobody');
});
process.on('SIGHUP', () => void Promise.reject(error('rejected to nobody')));

export default defineBot({ name: 'crashing', fetch: async () => new Response('fine') });
