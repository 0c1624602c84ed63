/** Parameters, frames and bounds: nothing here needs a key. */
import { describe, expect, test } from '@jest/globals';
import { MozaikError } from '@mozaik/protocol';
import { checkComputable, networkBounds } from '../src/bounds.ts';
import {
  EVALUATION_KEYS_MAX_BYTES,
  newFrame,
  openFrame,
  packResidues,
  REPLY_MAX_BYTES,
  REQUEST_MAX_BYTES,
  unpackResidues,
} from '../src/frame.ts';
import { Memory } from '../src/kernels.ts';
import { contextOf, openLibrary } from '../src/library/seal.ts';
import { plainLogits, type SquareNetwork } from '../src/network.ts';
import { FILL, LAYOUTS, PARAMETERS, SCALES } from '../src/parameters.ts';
import { randomNetwork, randomWindows, seeded } from './support.ts';

/**
 * Homomorphic Encryption Standard (Albrecht et al., 2018), table 1: most bits of the modulus for a
 * uniform ternary secret and 128-bit classical security.
 */
const STANDARD_128: Record<number, number> = {
  1024: 27,
  2048: 54,
  4096: 109,
  8192: 218,
  16384: 438,
  32768: 881,
};

const isPrime = (n: number): boolean => {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false;
  return n > 1;
};

describe.each(LAYOUTS)('parameters of the layout %s', (layout) => {
  const { degree, primes, special, bits, specialBits } = PARAMETERS[layout];
  const all = [...primes, special];

  test('are within the 128-bit table of the standard', () => {
    const modulus = all.reduce((product, prime) => product * BigInt(prime), 1n);
    expect(modulus.toString(2).length).toBeLessThanOrEqual(STANDARD_128[degree]);
  });

  test('are distinct primes with a 2N-th root of unity, of the bits that are sent', () => {
    expect(new Set(all).size).toBe(all.length);
    for (const prime of all) {
      expect(isPrime(prime)).toBe(true);
      expect(prime % (2 * degree)).toBe(1);
    }
    for (const prime of primes) expect(Math.ceil(Math.log2(prime))).toBe(bits);
    expect(Math.ceil(Math.log2(special))).toBe(specialBits);
  });

  test('are those that the library has under its own 128-bit table', async () => {
    const seal = await openLibrary();
    const context = contextOf(seal, layout);
    const { coeffModulus } = context.keyContextData.parms;
    expect([...coeffModulus].map(Number)).toEqual(all);
  });

  test('leave room for the random values in unused slots', () => {
    const left = layout === 'single' ? primes.slice(0, 3) : primes;
    const half = left.reduce((product, prime) => product * prime, 1) / 2;
    // Six standard deviations of a coefficient of N/2 complex values, uniform in a square.
    const coefficient = 6 * FILL[layout] * Math.sqrt(2 / (3 * degree));
    const sum = { single: 2 ** 12, batch: 2 ** 10 }[layout];
    expect((coefficient + sum) * SCALES[layout].logits).toBeLessThan(half);
  });
});

describe('frames', () => {
  const code = (work: () => unknown): string => {
    try {
      work();
    } catch (error) {
      if (error instanceof MozaikError) return error.code;
      throw error;
    }
    return 'nothing thrown';
  };

  test('bounds are those of the largest frames, at most 5 KB for a beat of a full batch', () => {
    expect(REQUEST_MAX_BYTES).toBe(
      Math.max(
        ...LAYOUTS.map(
          (layout) =>
            newFrame('request', { layout, beats: PARAMETERS[layout].maxBeats, outputs: 0 }).length,
        ),
      ),
    );
    const batch = newFrame('request', { layout: 'batch', beats: 2048, outputs: 0 });
    expect(batch.length / 2048).toBeLessThan(5_000);
    expect(newFrame('keys', { layout: 'single', beats: 0, outputs: 0 }).length).toBe(
      EVALUATION_KEYS_MAX_BYTES,
    );
    expect(
      newFrame('reply', { layout: 'single', beats: 16, outputs: 5 }).length,
    ).toBeLessThanOrEqual(REPLY_MAX_BYTES);
  });

  test('that are not what they should be are refused before their residues are read', () => {
    const header = { layout: 'single', beats: 2, outputs: 0 } as const;
    const frame = newFrame('request', header);
    const open = (bytes: Uint8Array, beats = 2, layout: 'single' | 'batch' = 'single') =>
      code(() => openFrame('request', bytes, { layout, beats }));
    expect(open(frame)).toBe('nothing thrown');
    const changed = (at: number, value: number): Uint8Array => {
      const copy = frame.slice();
      copy[at] = value;
      return copy;
    };
    for (const bytes of [
      new Uint8Array(0),
      frame.subarray(0, 11),
      frame.subarray(0, frame.length - 1),
      new Uint8Array([...frame.subarray(0, 12), 0]),
      changed(0, 0),
      changed(4, 2),
      changed(5, 2),
      changed(5, 0),
      changed(6, 3),
      changed(8, 1),
      changed(10, 1),
    ]) {
      expect(open(bytes)).toBe('HOMOMORPHIC_INPUT');
    }
    expect(open(frame, 1)).toBe('HOMOMORPHIC_INPUT');
    expect(open(frame, 2, 'batch')).toBe('HOMOMORPHIC_INPUT');
    expect(open(frame, 17)).toBe('HOMOMORPHIC_INPUT');
    expect(open(frame, NaN)).toBe('HOMOMORPHIC_INPUT');
  });

  test.each([
    ['single', 30],
    ['batch', 26],
  ] as const)(
    'residues of the layout %s survive packing, in JavaScript and in the kernels',
    (layout, bits) => {
      const { degree, primes } = PARAMETERS[layout];
      const random = seeded(9);
      const values = Uint32Array.from({ length: degree }, () => Math.floor(random() * primes[0]));
      values.set([0, primes[0] - 1]);
      const packed = new Uint8Array((degree * bits) / 8);
      packResidues(values, bits, packed);
      expect(unpackResidues(packed, bits, primes[0])).toEqual(values);
      const memory = new Memory();
      const [from, to] = [memory.allocate(4 * degree), memory.allocate(4 * degree)];
      memory.words(from, degree).set(values);
      memory.kernels.pack(from, bits, degree, to);
      expect(memory.bytes(to, packed.length)).toEqual(packed);
      expect(memory.kernels.unpack(to, bits, degree, primes[0], from)).toBe(1);
      expect(memory.words(from, degree)).toEqual(values);
      values[degree - 1] = primes[0];
      packResidues(values, bits, packed);
      expect(code(() => unpackResidues(packed, bits, primes[0]))).toBe('HOMOMORPHIC_INPUT');
      memory.bytes(to, packed.length).set(packed);
      expect(memory.kernels.unpack(to, bits, degree, primes[0], from)).toBe(0);
    },
  );
});

test('the memory of the kernels has a bound', () => {
  const memory = new Memory();
  memory.allocate(1 << 20);
  expect(() => memory.allocate(512 << 20)).toThrow(RangeError);
});

describe('bounds of a network', () => {
  const refusal = (network: SquareNetwork, layout: 'single' | 'batch'): string => {
    try {
      checkComputable(network, layout);
    } catch (error) {
      expect((error as MozaikError).code).toBe('HOMOMORPHIC_MODEL');
      return (error as MozaikError).detail!;
    }
    return '';
  };
  const scaled = (layer: number, factor: number): SquareNetwork => {
    const network = randomNetwork(1);
    network.layers[layer].weights.forEach((w, i, weights) => (weights[i] = w * factor));
    return network;
  };

  test('hold for every window', () => {
    const network = randomNetwork(2);
    const { sum } = networkBounds(network);
    for (const window of randomWindows(3, 50)) {
      for (const logit of plainLogits(network, window)) {
        expect(Math.abs(logit)).toBeLessThanOrEqual(sum);
      }
    }
  });

  test('let a proper network through, and none that could leave the scale', () => {
    for (const layout of LAYOUTS) {
      expect(refusal(randomNetwork(1), layout)).toBe('');
      expect(refusal(scaled(0, 20), layout)).toMatch('a hidden value can be');
      expect(refusal(scaled(1, 1000), layout)).toMatch('a sum of squares can be');
    }
    expect(refusal(scaled(0, 1e-3), 'batch')).toMatch('too small');
    expect(refusal(scaled(0, 1e-3), 'single')).toBe('');
  });

  test('are of networks of the right shape', () => {
    const network = randomNetwork(1);
    for (const wrong of [
      { ...network, inputs: 186 },
      { ...network, inputScale: 0 },
      { ...network, layers: network.layers.slice(1) },
      { ...network, layers: [network.layers[1], network.layers[0]] },
      randomNetwork(1, 65),
      randomNetwork(1, 64, 17),
      randomNetwork(1, 64, 1),
    ]) {
      expect(refusal(wrong, 'single')).not.toBe('');
    }
    const notANumber = randomNetwork(1);
    notANumber.layers[0].weights[3] = NaN;
    expect(refusal(notANumber, 'single')).toMatch('not a number');
  });
});
