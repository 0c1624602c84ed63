import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compareBytes,
  equalBytes,
  equalSecret,
  fromHex,
  hash,
  inputsHash,
  jobHash,
  toHex,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import { filled } from './objects.ts';

/** The same hash, by Node's own SHA-256 and Buffer. */
function twin(label: string, ...parts: Uint8Array[]): Uint8Array {
  const state = createHash('sha256');
  for (const part of [Buffer.from(label, 'utf8'), ...parts]) {
    const length = Buffer.alloc(8);
    length.writeBigUInt64BE(BigInt(part.length));
    state.update(length).update(part);
  }
  return Uint8Array.from(state.digest());
}

const parts = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 });

describe('hash', () => {
  test('equals an independent implementation', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), parts, (label, list) => {
        expect(hash(label, ...list)).toStrictEqual(twin(label, ...list));
      }),
    );
  });

  test('tells apart where parts begin and end', () => {
    const all = [
      hash('l'),
      hash('l', new Uint8Array()),
      hash('l', filled(2, 0)),
      hash('l', filled(1, 0), filled(1, 0)),
      hash('l', new Uint8Array(), filled(2, 0)),
      hash('', new TextEncoder().encode('l')),
    ].map(toHex);
    expect(new Set(all).size).toBe(all.length);
  });

  test('a job and its inputs hash in their order', () => {
    const job = { v: 1 as const, job: filled(16, 1), consent: filled(32, 2), sequences: [1, 2] };
    expect(jobHash(job)).not.toStrictEqual(jobHash({ ...job, sequences: [1, 3] }));
    expect(jobHash(job)).not.toStrictEqual(jobHash({ ...job, job: filled(16, 9) }));
    const [a, b] = [filled(3, 1), filled(3, 2)];
    expect(inputsHash([a, b])).not.toStrictEqual(inputsHash([b, a]));
  });
});

describe('bytes', () => {
  test('hexadecimal comes back as it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (data) => {
        expect(fromHex(toHex(data), data.length)).toStrictEqual(data);
      }),
    );
  });

  test.each(['0', '000', 'AB', 'zz', '0x', ' 00', '00 '])('%j is not one byte', (value) => {
    expect(codeOf(() => fromHex(value, 1))).toBe('ENCODING_INVALID');
  });

  test('comparisons agree with Buffer', () => {
    const some = fc.uint8Array({ maxLength: 4, max: 2 });
    fc.assert(
      fc.property(some, some, (a, b) => {
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
        expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
        expect(equalSecret(a, b)).toBe(Buffer.compare(a, b) === 0);
      }),
    );
  });
});
