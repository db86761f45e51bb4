import { FormErrors } from './errors.ts';

/** The `limit` of a list. @throws DiscordError 50035 if it is not an integer from 1 to `max` */
export function pageLimit(query: URLSearchParams, max: number, fallback: number): number {
  const given = query.get('limit');
  if (given === null) return fallback;
  const limit = Number(given);
  if (Number.isInteger(limit) && limit >= 1 && limit <= max) return limit;
  const errors = new FormErrors();
  if (!Number.isInteger(limit)) errors.add('limit', 'NUMBER_TYPE_COERCE', `Value "${given}" is not int.`);
  else if (limit < 1) errors.add('limit', 'NUMBER_TYPE_MIN', 'int value should be greater than or equal to 1.');
  else errors.add('limit', 'NUMBER_TYPE_MAX', `int value should be less than or equal to ${max}.`);
  errors.throwIfAny();
  return fallback;
}

/** Whether a flag is set. discord.js sends `true`, discord.py `1`. */
export function hasFlag(query: URLSearchParams, name: string): boolean {
  return ['true', 'True', '1'].includes(query.get(name) ?? '');
}
