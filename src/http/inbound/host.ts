/** A name, an IPv4 address or an IPv6 address in brackets, with an optional port (RFC 9110, 7.2). */
const HOST = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/i;

/**
 * Whether a text is a valid authority of a URL: no user, path, spaces, or a second authority after a comma. The URL parser rejects
 * further ones, such as a port above 65535 or the address 999.1.1.1: a gateway pod could not make a `Request` of them.
 */
export const isHost = (text: string): boolean =>
  text.length <= 300 && HOST.test(text) && URL.canParse(`http://${text}`);
