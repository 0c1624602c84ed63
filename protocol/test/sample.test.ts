import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  BEAT_ENVELOPE_BYTES,
  decodeSample,
  ENVELOPE_MAX_BYTES,
  HEADER_BYTES,
  writeHeader,
  type EnvelopeHeader,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import { envelope, filled, flipped, header } from './objects.ts';

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const headers: fc.Arbitrary<EnvelopeHeader> = fc.record({
  suite: fc.constant(1),
  kind: fc.constantFrom(1, 2),
  epoch: uint32,
  time: fc.maxSafeInteger().map((n) => Math.abs(n) % 2 ** 48),
  stream: fc.integer({ min: 0, max: 0xffff }),
  sequence: uint32,
  boot: fc.uint8Array({ minLength: 10, maxLength: 10 }),
});

describe('sample envelope', () => {
  test('what is written decodes to the same fields', () => {
    const body = fc.uint8Array({ minLength: 203, maxLength: 203 });
    fc.assert(
      fc.property(headers, body, (written, rest) => {
        const data = envelope(written);
        data.set(rest, HEADER_BYTES);
        const sample = decodeSample(data);
        expect(sample).toMatchObject(written);
        expect(sample.associatedData).toStrictEqual(data.slice(0, 14));
        expect(sample.nonce).toStrictEqual(data.slice(14, 30));
        expect(sample.ciphertext).toStrictEqual(rest.slice(0, 187));
        expect(sample.tag).toStrictEqual(rest.slice(187));
      }),
    );
  });

  test('associated data and nonce cover the header, each byte once', () => {
    const { associatedData, nonce } = decodeSample(envelope());
    expect(associatedData.length + nonce.length).toBe(HEADER_BYTES);
    expect(nonce.byteOffset).toBe(associatedData.byteOffset + associatedData.length);
  });

  test('the layout, byte by byte', () => {
    const data = envelope({
      epoch: 0x01020304,
      time: 0x0506_0708_090a,
      stream: 0x0b0c,
      sequence: 0x0d0e0f10,
      boot: Uint8Array.from({ length: 10 }, (_, i) => 0x11 + i),
    });
    const expected = [1, 1, 1, 0, ...Array.from({ length: 26 }, (_, i) => i + 1)];
    expect([...data.subarray(0, 30)]).toStrictEqual(expected);
    expect(data.length).toBe(30 + 187 + 16);
    expect(ENVELOPE_MAX_BYTES).toBe(BEAT_ENVELOPE_BYTES);
  });

  test('an envelope inside a larger buffer is decoded where it lies', () => {
    const larger = filled(BEAT_ENVELOPE_BYTES + 20, 0xee);
    larger.set(envelope({ sequence: 77 }), 10);
    const view = larger.subarray(10, 10 + BEAT_ENVELOPE_BYTES);
    expect(decodeSample(view)).toMatchObject({ sequence: 77, epoch: header.epoch });
  });

  test('every other length is malformed', () => {
    const data = Uint8Array.of(...envelope(), ...filled(20, 0));
    for (let length = 0; length <= data.length; length++) {
      if (length === BEAT_ENVELOPE_BYTES) continue;
      const code = codeOf(() => decodeSample(data.subarray(0, length)));
      expect(code).toBe('ENVELOPE_MALFORMED');
    }
  });

  test.each([
    ['version', 0, [1]],
    ['suite', 1, [1]],
    ['kind', 2, [1, 2]],
  ])('an unknown %s is said to be one', (_what, at, known) => {
    for (let value = 0; value < 256; value++) {
      const data = envelope();
      if (known.includes(value)) continue;
      data[at] = value;
      expect(codeOf(() => decodeSample(data))).toBe('ENVELOPE_VERSION');
    }
  });

  test('the reserved byte is 0', () => {
    for (let bit = 0; bit < 8; bit++) {
      expect(codeOf(() => decodeSample(flipped(envelope(), 3, bit)))).toBe('ENVELOPE_MALFORMED');
    }
  });

  test('the limits of every field are written and one beyond is refused', () => {
    const limits: [keyof EnvelopeHeader, number][] = [
      ['epoch', 2 ** 32 - 1],
      ['time', 2 ** 48 - 1],
      ['stream', 2 ** 16 - 1],
      ['sequence', 2 ** 32 - 1],
    ];
    for (const [field, max] of limits) {
      for (const value of [0, max]) {
        expect(decodeSample(envelope({ [field]: value }))).toMatchObject({ [field]: value });
      }
      for (const value of [-1, max + 1, NaN, Infinity]) {
        expect(() => envelope({ [field]: value })).toThrow(/out of range/);
      }
    }
    for (const length of [0, 9, 11]) {
      expect(() => envelope({ boot: filled(length, 1) })).toThrow(/out of range/);
    }
  });

  test('nothing is written when a field is refused', () => {
    const out = filled(HEADER_BYTES, 0xee);
    expect(() => writeHeader(out, { ...header, stream: 65_536 })).toThrow();
    expect(out).toStrictEqual(filled(HEADER_BYTES, 0xee));
  });
});
