import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { createIdentity, createSealKeys, Secret, toHex } from '../src/index.ts';
import { filled } from './objects.ts';

describe('secrets', () => {
  const secret = new Secret(filled(4, 0xab));

  test('show a placeholder wherever they could be printed', () => {
    const shown = [
      inspect(secret),
      inspect({ deep: { secret } }, { depth: 9, showHidden: true }),
      JSON.stringify({ secret }),
      String(secret),
      `${secret as unknown as string}`,
      new Error(String(secret)).message,
    ];
    for (const text of shown) {
      expect(text).toContain('[secret]');
      expect(text).not.toMatch(/ab|171/);
    }
    expect(Object.keys(secret)).toStrictEqual([]);
    expect({ ...secret }).toStrictEqual({});
  });

  test('key pairs do not show their secret half', () => {
    for (const keys of [createIdentity(filled(32, 1)), createSealKeys(filled(32, 1))]) {
      const hex = toHex(keys.secretKey.expose().subarray(0, 16));
      const list = keys.secretKey.expose().subarray(0, 16).join(', ');
      const shown = inspect(keys, { depth: 9, showHidden: true, maxArrayLength: null });
      for (const text of [shown, JSON.stringify(keys)]) {
        expect(text).toContain('[secret]');
        expect(text).not.toContain(hex);
        expect(text).not.toContain(list);
      }
    }
  });

  test('are zero and unusable after wiping', () => {
    const bytes = filled(4, 7);
    const wiped = new Secret(bytes);
    expect(wiped.length).toBe(4);
    expect(wiped.expose()).toBe(bytes);
    wiped.wipe();
    expect(bytes).toStrictEqual(filled(4, 0));
    expect(() => wiped.expose()).toThrow(TypeError);
  });
});
