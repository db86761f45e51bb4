/** A name, an IPv4 address or an IPv6 address in brackets, with an optional port (RFC 9110, 7.2). */
const HOST = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i;

/** Whether a text is a valid authority of a URL: no user, path, spaces, or a second authority after a comma. */
export const isHost = (text: string): boolean => text.length <= 300 && HOST.test(text);
