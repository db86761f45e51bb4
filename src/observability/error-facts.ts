/**
 * The loggable facts of an error. The logger writes all properties of an error, and an error of Discord's REST client has the
 * request's body and URL: message content and an interaction's token.
 */
export function errorFacts(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const { code, status } = error as { code?: unknown; status?: unknown };
  // The logger takes the type of an error from its constructor, else from its name. This object has neither.
  const facts = Object.create(null) as Record<string, unknown>;
  Object.assign(facts, { name, message, stack });
  if (code !== undefined) facts.code = code;
  if (status !== undefined) facts.status = status;
  if (cause !== undefined) facts.cause = errorFacts(cause);
  return facts;
}
