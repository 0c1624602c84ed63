import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '../../src/ecg/random.ts';

describe('seeded random numbers', () => {
  test('repeat for a seed and differ between seeds', () => {
    const draw = (seed: number): number[] => {
      const random = seededRandom(seed);
      return Array.from({ length: 5 }, () => random.uniform());
    };
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(() => seededRandom(2 ** 32)).toThrow(RangeError);
  });

  test('have the distributions they say', () => {
    const random = seededRandom(42);
    const n = 20_000;
    const normal = Array.from({ length: n }, () => random.normal());
    const mean = normal.reduce((a, b) => a + b, 0) / n;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.sqrt(normal.reduce((a, x) => a + (x - mean) ** 2, 0) / n)).toBeCloseTo(1, 1);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < n; i++) counts[random.below(7)]++;
    for (const count of counts) expect(Math.abs(count - n / 7)).toBeLessThan(250);
  });
});
