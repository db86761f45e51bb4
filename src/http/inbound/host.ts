/** A registered name or an IPv4 address, or an IPv6 address in brackets, and perhaps a port (RFC 9110, 7.2). */
const HOST = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i;

/** Whether a text can be the authority of a URL: without user, path, spaces, or a second one behind a comma. */
export const isHost = (text: string): boolean => text.length <= 300 && HOST.test(text);
