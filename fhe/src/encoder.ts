/**
 * Values in slots to integer polynomials: the canonical embedding of CKKS, by a complex FFT of N points.
 * Slot j is the value at the root ζ^(3^j), ζ = exp(πi/N), as in the library.
 */
import { Memory, Modulus } from './kernels.ts';

/** Chunks that a large integer is reduced by: 2^22 times a residue of 30 bits is exact in a double. */
const CHUNK = 2 ** 22;
const CHUNKS = 3;

export class Encoder {
  readonly #n: number;
  /** cos and sin of -2πk/N for k < N/2, and of -πk/N for k < N. */
  readonly #cos: Float64Array;
  readonly #sin: Float64Array;
  readonly #twistCos: Float64Array;
  readonly #twistSin: Float64Array;
  /** Positions, bit-reversed, of each slot and of its conjugate. */
  readonly #place: Uint32Array;
  readonly #conjugate: Uint32Array;
  readonly #re: Float64Array;
  readonly #im: Float64Array;

  constructor(n: number) {
    this.#n = n;
    const bits = Math.log2(n);
    const reverse = (value: number): number => {
      let reversed = 0;
      for (let i = 0; i < bits; i++) reversed |= ((value >> i) & 1) << (bits - 1 - i);
      return reversed;
    };
    const angle = (count: number, step: number, f: (x: number) => number): Float64Array =>
      Float64Array.from({ length: count }, (_, k) => f(-step * k));
    this.#cos = angle(n / 2, (2 * Math.PI) / n, Math.cos);
    this.#sin = angle(n / 2, (2 * Math.PI) / n, Math.sin);
    this.#twistCos = angle(n, Math.PI / n, Math.cos);
    this.#twistSin = angle(n, Math.PI / n, Math.sin);
    this.#place = new Uint32Array(n / 2);
    this.#conjugate = new Uint32Array(n / 2);
    let exponent = 1;
    for (let j = 0; j < n / 2; j++) {
      this.#place[j] = reverse((exponent - 1) / 2);
      this.#conjugate[j] = reverse((2 * n - exponent - 1) / 2);
      exponent = (exponent * 3) % (2 * n);
    }
    this.#re = new Float64Array(n);
    this.#im = new Float64Array(n);
  }

  /** Integer coefficients of the polynomial with `scale` times these values in its slots. */
  encode(real: Float64Array, imaginary: Float64Array | undefined, scale: number): Float64Array {
    const n = this.#n;
    const re = this.#re;
    const im = this.#im;
    for (let j = 0; j < n / 2; j++) {
      const b = imaginary?.[j] ?? 0;
      re[this.#place[j]] = real[j];
      im[this.#place[j]] = b;
      re[this.#conjugate[j]] = real[j];
      im[this.#conjugate[j]] = -b;
    }
    this.#transform(re, im);
    const factor = scale / n;
    return Float64Array.from({ length: n }, (_, k) =>
      Math.round((re[k] * this.#twistCos[k] - im[k] * this.#twistSin[k]) * factor),
    );
  }

  /** Cooley and Tukey, from bit-reversed to natural order, in place. */
  #transform(re: Float64Array, im: Float64Array): void {
    const n = this.#n;
    for (let half = 1; half < n; half *= 2) {
      const stride = n / (2 * half);
      for (let start = 0; start < n; start += 2 * half) {
        for (let k = 0; k < half; k++) {
          const c = this.#cos[k * stride];
          const s = this.#sin[k * stride];
          const at = start + k;
          const to = at + half;
          const a = re[to] * c - im[to] * s;
          const b = re[to] * s + im[to] * c;
          re[to] = re[at] - a;
          im[to] = im[at] - b;
          re[at] += a;
          im[at] += b;
        }
      }
    }
  }
}

/** Residues of integers below 2^88 in magnitude. */
export function residuesOf(integers: Float64Array, prime: number, out: Uint32Array): void {
  const inverse = 1 / prime;
  // Of values that are not negative: to add a multiple to a small negative one would round it.
  const modulo = (value: number): number => {
    const rest = value - Math.floor(value * inverse) * prime;
    return rest < 0 ? rest + prime : rest >= prime ? rest - prime : rest;
  };
  const top = CHUNK ** CHUNKS;
  for (let i = 0; i < integers.length; i++) {
    let rest = Math.abs(integers[i]);
    const high = Math.floor(rest / top);
    rest -= high * top;
    let residue = modulo(high);
    for (let unit = top / CHUNK; unit >= 1; unit /= CHUNK) {
      const chunk = Math.floor(rest / unit);
      rest -= chunk * unit;
      residue = modulo(residue * CHUNK + chunk);
    }
    out[i] = integers[i] < 0 && residue > 0 ? prime - residue : residue;
  }
}

/** Writes an integer polynomial modulo each prime, transformed: [prime][n] words from `pointer`. */
export function writePolynomial(
  memory: Memory,
  moduli: readonly Modulus[],
  integers: Float64Array,
  pointer: number,
): void {
  moduli.forEach((modulus, limb) => {
    const at = pointer + limb * integers.length * 4;
    residuesOf(integers, modulus.prime, memory.words(at, integers.length));
    modulus.forward(at);
  });
}
