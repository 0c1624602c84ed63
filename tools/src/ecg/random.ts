/**
 * Repeatable pseudo-random numbers for synthesis and training. NOT for keys, shares or nonces:
 * the state follows from a few outputs.
 *
 * Generator: xoshiro128**, Blackman & Vigna, "Scrambled linear pseudorandom number generators", ACM
 * TOMS 47(4), 2021; its state is filled by splitmix32, a Weyl sequence through an avalanche.
 */

export interface Random {
  /** Uniform in [0, 1), 32 bits of it random. */
  uniform(): number;
  /** Uniform in [low, high). */
  between(low: number, high: number): number;
  /** Uniform integer in [0, bound). */
  below(bound: number): number;
  /** Standard normal. */
  normal(): number;
}

const rotateLeft = (x: number, by: number): number => (x << by) | (x >>> (32 - by));

/** A generator whose whole sequence follows from a 32-bit seed. @throws RangeError for another seed */
export function seededRandom(seed: number): Random {
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw new RangeError('a seed is an integer from 0 to 2^32 - 1');
  }
  let weyl = seed | 0;
  const split = (): number => {
    weyl = (weyl + 0x9e3779b9) | 0;
    let z = weyl;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return z ^ (z >>> 16);
  };
  const s = [split(), split(), split(), split()];
  const next = (): number => {
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotateLeft(s[3], 11);
    return result;
  };
  const uniform = (): number => next() / 2 ** 32;
  return {
    uniform,
    between: (low, high) => low + (high - low) * uniform(),
    below: (bound) => Math.floor(uniform() * bound),
    // Box and Muller; 1 - u keeps the logarithm finite.
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}
