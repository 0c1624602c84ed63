import { describe, expect, test } from '@jest/globals';
import { bytes, bytesUpTo, integer, list, oneOf, struct, text } from '../src/index.ts';
import type { Schema } from '../src/index.ts';
import { codeOf } from './codes.ts';

const accepts = (schema: Schema<unknown>, value: unknown) =>
  expect(schema(value, 'field')).toStrictEqual(value);
const refuses = (schema: Schema<unknown>, value: unknown) =>
  expect(codeOf(() => schema(value, 'field'))).toBe('ENCODING_INVALID');

describe('schemas', () => {
  test('bytes: exactly so many', () => {
    accepts(bytes(3), new Uint8Array(3));
    for (const value of [
      new Uint8Array(2),
      new Uint8Array(4),
      [0, 0, 0],
      'abc',
      new Uint16Array(3),
    ])
      refuses(bytes(3), value);
  });

  test('bytesUpTo: from none to so many', () => {
    for (const length of [0, 3]) accepts(bytesUpTo(3), new Uint8Array(length));
    refuses(bytesUpTo(3), new Uint8Array(4));
    refuses(bytesUpTo(3), '');
  });

  test('integer: both ends included, nothing but integers', () => {
    const schema = integer(-2, 5);
    for (const value of [-2, 0, 5]) accepts(schema, value);
    for (const value of [-3, 6, 1.5, NaN, Infinity, '1', 1n, null, undefined, true])
      refuses(schema, value);
  });

  test('text: printable, counted in UTF-16 units', () => {
    for (const value of ['a', 'Zoë', 'é', '心拍', '❤']) accepts(text(8), value);
    for (const value of ['', 'too long!', 'a\nb', '\u0000', '\u007f', '\u202e', '\ud800', '\ue000'])
      refuses(text(8), value);
    accepts(text(2), '\u{1f493}');
    refuses(text(1), '\u{1f493}');
  });

  test('oneOf: these and no other type', () => {
    accepts(oneOf<string | number>(1, 'a'), 1);
    accepts(oneOf<string | number>(1, 'a'), 'a');
    for (const value of [2, '1', 'b', undefined]) refuses(oneOf<string | number>(1, 'a'), value);
  });

  test('list: length and every item', () => {
    const schema = list(integer(0, 9), 1, 2);
    accepts(schema, [1]);
    accepts(schema, [1, 2]);
    for (const value of [[], [1, 2, 3], [1, 10], { 0: 1, length: 1 }, '12', [undefined]])
      refuses(schema, value);
  });

  describe('struct', () => {
    const schema = struct({ a: integer(0, 9), b: text(3) });

    test('exactly its fields', () => {
      accepts(schema, { a: 1, b: 'x' });
      for (const value of [{ a: 1 }, { a: 1, b: 'x', c: 2 }, { a: 1, c: 'x' }, {}, null, [1, 'x']])
        refuses(schema, value);
    });

    test('an inherited field is a missing field', () => {
      refuses(schema, Object.create({ a: 1, b: 'x' }));
      refuses(schema, Object.assign(Object.create({ b: 'x' }) as object, { a: 1, c: 2 }));
      refuses(struct({ toString: text(9) }), {});
    });

    test('__proto__ is an unknown field like any other, and changes no prototype', () => {
      refuses(schema, JSON.parse('{"a":1,"__proto__":{"b":"x"}}'));
      refuses(schema, JSON.parse('{"a":1,"b":"x","__proto__":{}}'));
      expect(Object.hasOwn(Object.prototype, 'b')).toBe(false);
    });

    test('the error names the path and not the value', () => {
      const outer = struct({ items: list(struct({ key: bytes(2) }), 0, 9) });
      const wrong = { items: [{ key: new Uint8Array(2) }, { key: 'hush' }] };
      expect(() => outer(wrong, 'object')).toThrow(/object\.items\[1\]\.key: expected 2 bytes/);
      expect(() => outer(wrong, 'object')).not.toThrow(/hush/);
    });
  });
});
