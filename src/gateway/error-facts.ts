/**
 * What of an error may be logged. An error of Discord's REST client carries the request's body and its URL, which are message
 * content and an interaction's token; loggers write all of an error's properties.
 */
export function errorFacts(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const { code, status } = error as { code?: unknown; status?: unknown };
  return {
    type: name,
    message,
    stack,
    ...(code === undefined ? {} : { code }),
    ...(status === undefined ? {} : { status }),
    ...(cause === undefined ? {} : { cause: errorFacts(cause) }),
  };
}
