import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AsconAead128, TAG_BYTES } from '../src/ascon.ts';
import { FEW_KNOWN_ANSWERS, readKnownAnswers } from './ascon-known-answers.ts';
import { referenceEncrypt } from './ascon-reference.ts';

const device = new AsconAead128();

function deviceEncrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(plaintext.length + TAG_BYTES);
  device.encrypt(key, nonce, associatedData, plaintext, out);
  return out;
}

function deviceDecrypt(
  key: Uint8Array,
  nonce: Uint8Array,
  associatedData: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const out = new Uint8Array(sealed.length - TAG_BYTES);
  return device.decrypt(key, nonce, associatedData, sealed, out) ? out : undefined;
}

/** Every implementation passes the same suite; decryption is optional. */
const implementations = [
  { name: 'device code', encrypt: deviceEncrypt, decrypt: deviceDecrypt },
  { name: 'reference twin', encrypt: referenceEncrypt, decrypt: undefined },
];

const all = readKnownAnswers();
if (all === undefined) {
  console.warn('skipped the 1089 known answers: the shared folder is not there');
}

describe.each(implementations)('Ascon-AEAD128, $name', ({ encrypt, decrypt }) => {
  test.each([
    { name: 'three known answers', answers: FEW_KNOWN_ANSWERS },
    ...(all === undefined ? [] : [{ name: 'all known answers of NIST', answers: all }]),
  ])('$name', ({ name, answers }) => {
    expect(answers.length).toBe(name.startsWith('all') ? 1089 : 3);
    for (const { key, nonce, associatedData, plaintext, sealed } of answers) {
      expect(encrypt(key, nonce, associatedData, plaintext)).toEqual(sealed);
      if (decrypt !== undefined) {
        expect(decrypt(key, nonce, associatedData, sealed)).toEqual(plaintext);
      }
    }
  });
});

const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
const message = fc.record({
  key: bytes(16, 16),
  nonce: bytes(16, 16),
  data: bytes(0, 40),
  text: bytes(0, 60),
});

describe('the device code', () => {
  test('equals its twin on any message', () => {
    fc.assert(
      fc.property(message, ({ key, nonce, data, text }) => {
        expect(deviceEncrypt(key, nonce, data, text)).toEqual(
          referenceEncrypt(key, nonce, data, text),
        );
      }),
    );
  });

  test('works in place', () => {
    fc.assert(
      fc.property(message, ({ key, nonce, data, text }) => {
        const buffer = new Uint8Array(text.length + TAG_BYTES);
        buffer.set(text);
        const start = buffer.subarray(0, text.length);
        device.encrypt(key, nonce, data, start, buffer);
        expect(buffer).toEqual(deviceEncrypt(key, nonce, data, text));
        expect(device.decrypt(key, nonce, data, buffer, start)).toBe(true);
        expect(start).toEqual(text);
      }),
    );
  });

  test('rejects every single flipped bit and wipes its output', () => {
    fc.assert(
      fc.property(message, ({ key, nonce, data, text }) => {
        const sealed = deviceEncrypt(key, nonce, data, text);
        for (const part of [key, nonce, data, sealed]) {
          for (let bit = 0; bit < 8 * part.length; bit++) {
            part[bit >> 3] ^= 1 << (bit & 7);
            const out = new Uint8Array(text.length).fill(0xaa);
            const opened = device.decrypt(key, nonce, data, sealed, out);
            if (opened || out.some((byte) => byte !== 0)) {
              throw new Error(`bit ${bit} went unnoticed`);
            }
            part[bit >> 3] ^= 1 << (bit & 7);
          }
        }
        expect(deviceDecrypt(key, nonce, data, sealed)).toEqual(text);
      }),
      { numRuns: 20 },
    );
  });

  test('keeps neither key nor state', () => {
    const cipher = new AsconAead128();
    const key = new Uint8Array(16).fill(7);
    const out = new Uint8Array(20);
    cipher.encrypt(key, key, key, new Uint8Array(4), out);
    cipher.decrypt(key, key, key, out, new Uint8Array(4));
    const memory = Object.values(cipher) as Int32Array[];
    expect(memory).toHaveLength(2);
    expect(memory.every((words) => words.every((word) => word === 0))).toBe(true);
  });

  test.each([
    ['short key', 15, 16, 4, 20],
    ['long nonce', 16, 17, 4, 20],
    ['short output', 16, 16, 4, 19],
  ])('throws on a %s', (_, keyLength, nonceLength, textLength, outLength) => {
    const key = new Uint8Array(keyLength);
    const nonce = new Uint8Array(nonceLength);
    const text = new Uint8Array(textLength);
    const out = new Uint8Array(outLength);
    expect(() => device.encrypt(key, nonce, text, text, out)).toThrow('Ascon');
    expect(() => device.decrypt(key, nonce, text, out, text)).toThrow('Ascon');
  });

  test('throws on an input that is shorter than a tag', () => {
    const key = new Uint8Array(16);
    expect(() => device.decrypt(key, key, key, new Uint8Array(15), new Uint8Array(0))).toThrow(
      'Ascon',
    );
  });
});
