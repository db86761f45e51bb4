/**
 * What of an error may be logged. An error of Discord's REST client carries the request's body and its URL, which are message
 * content and an interaction's token, and the logger writes all of an error's properties.
 */
export function errorFacts(error: unknown): Readonly<Record<string, unknown>> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const { code, status } = error as { code?: unknown; status?: unknown };
  // The logger takes the type of an error from its constructor, else from its name: so, none.
  const facts = Object.create(null) as Record<string, unknown>;
  Object.assign(facts, { name, message, stack });
  if (code !== undefined) facts.code = code;
  if (status !== undefined) facts.status = status;
  if (cause !== undefined) facts.cause = errorFacts(cause);
  return facts;
}
