/** Re-exports the protocol's messages and headers for users of the link. */
export { HEADER, type HeaderList, headerValue } from '../protocol/headers.ts';
export {
  type GatewayHandler,
  type GatewayRequest,
  type GatewayResponse,
  MAX_LINK_BODY,
  type RequestContext,
} from '../protocol/message.ts';
export { INTERNAL_PATHS } from '../protocol/paths.ts';
