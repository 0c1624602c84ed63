import { describe, expect, test } from '@jest/globals';
import { chacha12 } from '@noble/ciphers/chacha.js';
import { randomBytes } from 'node:crypto';
import { Generator, SEED_BYTES } from '../src/engine/generator.ts';
import { Memory } from '../src/engine/memory.ts';

/** The first `length` bytes of ChaCha12, from an independent implementation. */
function expected(seed: Uint8Array, purpose: number, length: number): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(0, purpose, true);
  return chacha12(seed, nonce, new Uint8Array(length));
}

describe('generator', () => {
  test('equals ChaCha12, in one piece and in many', () => {
    const seed = new Uint8Array(randomBytes(SEED_BYTES));
    const memory = new Memory();
    const generator = new Generator(memory, seed, 7);
    const large = 100_000;
    expect(memory.bytes(generator.take(large), large).slice()).toEqual(expected(seed, 7, large));

    const small = new Generator(memory, seed, 8);
    const pieces = Array.from({ length: 500 }, () => memory.bytes(small.take(32), 32).slice());
    expect(Uint8Array.from(pieces.flatMap((piece) => [...piece]))).toEqual(
      expected(seed, 8, 500 * 32),
    );
  });

  test('purposes and seeds give unrelated streams', () => {
    const memory = new Memory();
    const seed = new Uint8Array(SEED_BYTES);
    const first = (generator: Generator) => memory.bytes(generator.take(32), 32).slice();
    const streams = [0, 1].map((purpose) => first(new Generator(memory, seed, purpose)));
    streams.push(first(new Generator(memory, seed.fill(1), 0)));
    expect(new Set(streams.map(String)).size).toBe(3);
    expect(() => new Generator(memory, new Uint8Array(16), 0)).toThrow(RangeError);
  });
});
