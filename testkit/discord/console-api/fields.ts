/** Reads the fields of a request body. @throws TypeError that names a field with the wrong type */
export interface Fields {
  text(name: string): string;
  optional(name: string): string | undefined;
  nullable(name: string): string | null;
  number(name: string): number | undefined;
  texts(name: string): string[] | undefined;
  record(name: string): Record<string, string>;
  options(name: string): Record<string, unknown> | undefined;
}

export function fieldsOf(body: Readonly<Record<string, unknown>>): Fields {
  const wrong = (name: string, expected: string): never => {
    throw new TypeError(`${name} must be ${expected}`);
  };
  const optional = (name: string): string | undefined => {
    const value = body[name];
    if (value === undefined || value === null) return undefined;
    return typeof value === 'string' ? value : wrong(name, 'a string');
  };
  const object = (name: string): Record<string, unknown> | undefined => {
    const value = body[name];
    if (value === undefined || value === null) return undefined;
    return typeof value === 'object' ? (value as Record<string, unknown>) : wrong(name, 'an object');
  };
  return {
    optional,
    text: (name) => optional(name) ?? wrong(name, 'a string'),
    nullable: (name) => optional(name) ?? null,
    number(name) {
      const value = body[name];
      if (value === undefined || value === null) return undefined;
      return typeof value === 'number' && Number.isFinite(value) ? value : wrong(name, 'a number');
    },
    texts(name) {
      const value = body[name];
      if (value === undefined || value === null) return undefined;
      return Array.isArray(value) ? value.map(String) : wrong(name, 'a list');
    },
    record: (name) => (object(name) ?? {}) as Record<string, string>,
    options: object,
  };
}
