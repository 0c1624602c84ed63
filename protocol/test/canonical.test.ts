import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  bytesUpTo,
  decodeCanonical,
  encodeCanonical,
  integer,
  list,
  struct,
  text,
  type Schema,
} from '../src/index.ts';
import { codeOf } from './codes.ts';

const any: Schema<unknown> = (value) => value;
const fromHexText = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));
const toHexText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const { value: values } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.maxSafeInteger().filter((n) => !Object.is(n, -0)),
    fc.string({ unit: 'grapheme' }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie('value'), { maxLength: 30 }),
    fc.dictionary(fc.string(), tie('value'), { noNullPrototype: true }),
  ),
}));

describe('canonical CBOR', () => {
  test('every value comes back as it was, from one encoding', () => {
    fc.assert(
      fc.property(values, (value) => {
        const data = encodeCanonical(value);
        const decoded = decodeCanonical(data, any, 'value');
        expect(decoded).toStrictEqual(value);
        expect(encodeCanonical(decoded)).toStrictEqual(data);
      }),
    );
  });

  test('examples of RFC 8949, appendix A', () => {
    const examples: [unknown, string][] = [
      [0, '00'],
      [23, '17'],
      [24, '1818'],
      [1000, '1903e8'],
      [1_000_000_000_000, '1b000000e8d4a51000'],
      [-1, '20'],
      [-1000, '3903e7'],
      [fromHexText('01020304'), '4401020304'],
      ['IETF', '6449455446'],
      ['\u00fc', '62c3bc'],
      [[1, [2, 3], [4, 5]], '8301820203820405'],
      [{ a: 1, b: [2, 3] }, 'a26161016162820203'],
    ];
    for (const [value, hex] of examples) {
      expect(toHexText(encodeCanonical(value))).toBe(hex);
      expect(decodeCanonical(fromHexText(hex), any, 'example')).toStrictEqual(value);
    }
  });

  test('keys are ordered by their encoded bytes, so that shorter ones come first', () => {
    expect(toHexText(encodeCanonical({ b: 1, aa: 2, a: 3 }))).toBe('a3616103616201626161' + '02');
  });

  test.each([
    ['leftover bytes', '0000'],
    ['nothing at all', ''],
    ['a cut-off value', '4201'],
    ['a cut-off map', 'a1'],
    ['duplicate keys', 'a2616101616102'],
    ['unsorted keys', 'a2616201616102'],
    ['a key that is not text', 'a10102'],
    ['an integer of 1 byte too many', '1817'],
    ['an integer of 2 bytes too many', '190017'],
    ['an integer of 4 bytes too many', '1a00000017'],
    ['an integer of 8 bytes too many', '1b0000000000000017'],
    ['a negative integer in long form', '3800'],
    ['a length in long form', '580101'],
    ['a text length in long form', '780161'],
    ['a list length in long form', '980101'],
    ['a map length in long form', 'b801616101'],
    ['an indefinite byte string', '5f4101ff'],
    ['an indefinite text', '7f6161ff'],
    ['an indefinite list', '9f01ff'],
    ['an indefinite map', 'bf616101ff'],
    ['a float that is an integer, 16 bits', 'f93c00'],
    ['a float that is an integer, 32 bits', 'fa3f800000'],
    ['a float that is an integer, 64 bits', 'fb3ff0000000000000'],
    ['negative zero', 'f98000'],
    ['a tag', 'c11a514b67b0'],
    ['a tagged bignum', 'c24101'],
    ['a simple value', 'f820'],
    ['a break', 'ff'],
    ['a reserved length', '1c'],
    ['text that is not UTF-8', '61ff'],
    ['an overlong UTF-8 character', '62c0af'],
    ['a surrogate in UTF-8', '63eda080'],
  ])('%s is refused', (_what, hex) => {
    expect(codeOf(() => decodeCanonical(fromHexText(hex), any, 'value'))).toBe('ENCODING_INVALID');
  });

  test.each([
    ['undefined', 'f7'],
    ['null', 'f6'],
    ['a boolean', 'f5'],
    ['a fraction', 'fb3ff8000000000000'],
    ['infinity', 'f97c00'],
    ['not a number', 'f97e00'],
    ['an integer above 2^53 - 1', '1b0020000000000000'],
    ['an integer below -(2^53 - 1)', '3b001fffffffffffff'],
  ])('%s passes no schema', (_what, hex) => {
    const schemas = [
      integer(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
      bytesUpTo(100),
      text(100),
      list(any, 0, 100),
      struct({}),
    ];
    for (const schema of schemas) {
      const decode = () => decodeCanonical(fromHexText(hex), schema as Schema<unknown>, 'value');
      expect(codeOf(decode)).toBe('ENCODING_INVALID');
    }
  });

  test('no change of a single byte decodes to the same value', () => {
    const value = { id: fromHexText('0102'), list: [1, 500, 70_000], name: 'n' };
    const data = encodeCanonical(value);
    for (let at = 0; at < data.length; at++) {
      for (let byte = 0; byte < 256; byte++) {
        if (byte === data[at]) continue;
        const other = Uint8Array.from(data);
        other[at] = byte;
        let decoded: unknown;
        try {
          decoded = decodeCanonical(other, any, 'value');
        } catch {
          continue;
        }
        expect(decoded).not.toStrictEqual(value);
      }
    }
  });

  test('arbitrary bytes either decode to what encodes to them, or are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
        let decoded: unknown;
        try {
          decoded = decodeCanonical(data, any, 'value');
        } catch (error) {
          expect(error).toMatchObject({ code: 'ENCODING_INVALID' });
          return;
        }
        expect(encodeCanonical(decoded)).toStrictEqual(data);
      }),
      { numRuns: 2000 },
    );
  });

  test('nesting that would exhaust the stack is refused like any other nonsense', () => {
    const nested = new Uint8Array(1 << 18).fill(0x81);
    expect(codeOf(() => decodeCanonical(nested, any, 'value'))).toBe('ENCODING_INVALID');
  });

  test('decoded byte strings are copies: wiping the input leaves them', () => {
    const data = encodeCanonical(Uint8Array.of(1, 2, 3));
    const decoded = decodeCanonical(data, bytesUpTo(3), 'value');
    data.fill(0);
    expect(decoded).toStrictEqual(Uint8Array.of(1, 2, 3));
  });
});
