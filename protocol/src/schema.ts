/**
 * Schemas of the objects that cross a wire. A schema checks a decoded value completely: type, length,
 * range, and that no field is missing or unknown.
 */
import { MozaikError } from './errors.ts';

/** Checks `value`, found at `path`, and returns it with its type. */
export type Schema<T> = (value: unknown, path: string) => T;
export type Infer<S> = S extends Schema<infer T> ? T : never;

const refuse = (path: string, expected: string): never => {
  throw new MozaikError('ENCODING_INVALID', `${path}: expected ${expected}`);
};

/** A byte string of exactly `length` bytes. */
export function bytes(length: number): Schema<Uint8Array> {
  return (value, path) =>
    value instanceof Uint8Array && value.length === length
      ? value
      : refuse(path, `${length} bytes`);
}

/** A byte string of at most `max` bytes. */
export function bytesUpTo(max: number): Schema<Uint8Array> {
  return (value, path) =>
    value instanceof Uint8Array && value.length <= max
      ? value
      : refuse(path, `at most ${max} bytes`);
}

/** An integer from `min` to `max`, both included; both within 2^53 - 1. */
export function integer(min: number, max: number): Schema<number> {
  return (value, path) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
      ? (value as number)
      : refuse(path, `an integer from ${min} to ${max}`);
}

/** Printable text of 1 to `max` UTF-16 units, without control characters: it may be shown as it is. */
export function text(max: number): Schema<string> {
  return (value, path) =>
    typeof value === 'string' && value.length > 0 && value.length <= max && !/\p{C}/u.test(value)
      ? value
      : refuse(path, `1 to ${max} printable characters`);
}

/** One of the given strings or numbers. */
export function oneOf<const T extends string | number>(...choices: T[]): Schema<T> {
  return (value, path) =>
    choices.includes(value as T) ? (value as T) : refuse(path, `one of ${choices.join(', ')}`);
}

/** A list of `min` to `max` items. */
export function list<T>(item: Schema<T>, min: number, max: number): Schema<T[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      return refuse(path, `a list of ${min} to ${max}`);
    }
    return value.map((entry, i) => item(entry, `${path}[${i}]`));
  };
}

/** A map with exactly these fields. */
export function struct<F extends Record<string, Schema<unknown>>>(
  fields: F,
): Schema<{ [K in keyof F]: Infer<F[K]> }> {
  const names = Object.keys(fields);
  return (value, path) => {
    if (
      typeof value !== 'object' ||
      value === null ||
      Object.getPrototypeOf(value) !== Object.prototype
    ) {
      return refuse(path, 'a map');
    }
    const found = Object.keys(value);
    if (found.length !== names.length || !names.every((name) => Object.hasOwn(value, name))) {
      return refuse(path, `exactly the fields ${names.join(', ')}`);
    }
    const checked: Record<string, unknown> = {};
    for (const name of names) {
      checked[name] = fields[name]((value as Record<string, unknown>)[name], `${path}.${name}`);
    }
    return checked as { [K in keyof F]: Infer<F[K]> };
  };
}
