// The network on ciphertexts that hold one feature each: sums with small integer weights, squares, sums.
// Coefficients of 26 bits are split into halves of 13, so that one instruction multiplies and adds eight
// of them by weights of 16 bits. All are in NTT form; nothing is divided and no key is needed.
import { montgomery, once, reduce } from './arithmetic';

const HALF_BITS = 13;
/** Most hidden units, and as many vectors of each part. */
const UNITS = 64;
const H = memory.data(2 * UNITS * 16, 16);
const SQUARES = memory.data(3 * UNITS * 16, 16);

/**
 * Puts the coefficients of two features where `batchLayers` reads them: for each block of four
 * coefficients, `pairs` times [low halves, of the two features in turn][high halves].
 * @param pair which pair of features
 */
export function splitPair(
  first: usize,
  second: usize,
  n: i32,
  pair: i32,
  pairs: i32,
  out: usize,
): void {
  const mask = i32x4.splat((1 << HALF_BITS) - 1);
  const end = first + (<usize>n << 2);
  out += <usize>pair << 5;
  for (; first < end; first += 16, second += 16) {
    const a = v128.load(first);
    const b = v128.load(second);
    v128.store(out, v128.or(v128.and(a, mask), i32x4.shl(v128.and(b, mask), 16)));
    v128.store(
      out,
      v128.or(i32x4.shr_u(a, HALF_BITS), i32x4.shl(i32x4.shr_u(b, HALF_BITS), 16)),
      16,
    );
    out += <usize>pairs << 5;
  }
}

/** Weighted sums over one block, modulo q, of `units` units (a multiple of 4), `stride` bytes apart. */
// @ts-ignore: decorator
@inline
function weigh(
  block: usize,
  pairs: i32,
  weights: usize,
  units: i32,
  out: usize,
  stride: usize,
  q: v128,
  inverse: v128,
  offset: v128,
  lowFactor: v128,
  highFactor: v128,
): void {
  for (let unit = 0; unit < units; unit += 4) {
    let l0 = i32x4.splat(0);
    let l1 = i32x4.splat(0);
    let l2 = i32x4.splat(0);
    let l3 = i32x4.splat(0);
    let h0 = i32x4.splat(0);
    let h1 = i32x4.splat(0);
    let h2 = i32x4.splat(0);
    let h3 = i32x4.splat(0);
    const end = block + (<usize>pairs << 5);
    for (let at = block; at < end; at += 32) {
      const low = v128.load(at);
      const high = v128.load(at, 16);
      let w = v128.load32_splat(weights);
      l0 = i32x4.add(l0, i32x4.dot_i16x8_s(low, w));
      h0 = i32x4.add(h0, i32x4.dot_i16x8_s(high, w));
      w = v128.load32_splat(weights, 4);
      l1 = i32x4.add(l1, i32x4.dot_i16x8_s(low, w));
      h1 = i32x4.add(h1, i32x4.dot_i16x8_s(high, w));
      w = v128.load32_splat(weights, 8);
      l2 = i32x4.add(l2, i32x4.dot_i16x8_s(low, w));
      h2 = i32x4.add(h2, i32x4.dot_i16x8_s(high, w));
      w = v128.load32_splat(weights, 12);
      l3 = i32x4.add(l3, i32x4.dot_i16x8_s(low, w));
      h3 = i32x4.add(h3, i32x4.dot_i16x8_s(high, w));
      weights += 16;
    }
    join(l0, h0, out, q, inverse, offset, lowFactor, highFactor);
    join(l1, h1, out + stride, q, inverse, offset, lowFactor, highFactor);
    join(l2, h2, out + 2 * stride, q, inverse, offset, lowFactor, highFactor);
    join(l3, h3, out + 3 * stride, q, inverse, offset, lowFactor, highFactor);
    out += 4 * stride;
  }
}

/** low + 2^13 high modulo q, of signed sums below 2^30. */
// @ts-ignore: decorator
@inline
function join(
  low: v128,
  high: v128,
  out: usize,
  q: v128,
  inverse: v128,
  offset: v128,
  lowFactor: v128,
  highFactor: v128,
): void {
  const a = montgomery(i32x4.add(low, offset), lowFactor, q, inverse);
  const b = montgomery(i32x4.add(high, offset), highFactor, q, inverse);
  v128.store(out, once(i32x4.add(a, b), q));
}

/**
 * Both layers modulo one prime.
 *
 * @param x0 what `splitPair` made of the first polynomials, `x1` of the second ones
 * @param weights words of two 16-bit weights: [unit / 4][pair][4 units]
 * @param bias [unit], residues
 * @param last [output][unit], residues times 2^64
 * @param lastBias [output], residues
 * @param constants q, 1/q mod 2^32, 2^32 mod q, 2^45 mod q, the multiple of q next below 2^30
 * @param out [output][3 polynomials] at a distance of `distance` bytes
 */
export function batchLayers(
  x0: usize,
  x1: usize,
  n: i32,
  pairs: i32,
  weights: usize,
  units: i32,
  bias: usize,
  last: usize,
  lastBias: usize,
  outputs: i32,
  constants: usize,
  out: usize,
  distance: usize,
): void {
  const q = v128.load32_splat(constants);
  const inverse = v128.load32_splat(constants + 4);
  const lowFactor = v128.load32_splat(constants + 8);
  const highFactor = v128.load32_splat(constants + 12);
  const offset = v128.load32_splat(constants + 16);
  const block = <usize>pairs << 5;
  const length = <usize>n << 2;
  for (let at: usize = 0; at < length; at += 16) {
    weigh(x0, pairs, weights, units, H, 32, q, inverse, offset, lowFactor, highFactor);
    weigh(x1, pairs, weights, units, H + 16, 32, q, inverse, offset, lowFactor, highFactor);
    x0 += block;
    x1 += block;
    for (let unit: usize = 0; unit < <usize>units; unit++) {
      // (a + b s)² = a² + 2ab s + b² s²; each product is divided by 2^32.
      const a = once(
        i32x4.add(v128.load(H + (unit << 5)), v128.load32_splat(bias + (unit << 2))),
        q,
      );
      const b = v128.load(H + (unit << 5), 16);
      const to = SQUARES + unit * 48;
      const mixed = montgomery(a, b, q, inverse);
      v128.store(to, montgomery(a, a, q, inverse));
      v128.store(to, once(i32x4.add(mixed, mixed), q), 16);
      v128.store(to, montgomery(b, b, q, inverse), 32);
    }
    let w = last;
    for (let output: usize = 0; output < <usize>outputs; output++) {
      let low0 = i64x2.splat(0);
      let low1 = i64x2.splat(0);
      let low2 = i64x2.splat(0);
      let high0 = i64x2.splat(0);
      let high1 = i64x2.splat(0);
      let high2 = i64x2.splat(0);
      const end = SQUARES + <usize>units * 48;
      // 64 products of 52 bits stay below 2^58 = 2^32 q.
      for (let from = SQUARES; from < end; from += 48) {
        const factor = v128.load32_splat(w);
        w += 4;
        let square = v128.load(from);
        low0 = i64x2.add(low0, i64x2.extmul_low_i32x4_u(square, factor));
        high0 = i64x2.add(high0, i64x2.extmul_high_i32x4_u(square, factor));
        square = v128.load(from, 16);
        low1 = i64x2.add(low1, i64x2.extmul_low_i32x4_u(square, factor));
        high1 = i64x2.add(high1, i64x2.extmul_high_i32x4_u(square, factor));
        square = v128.load(from, 32);
        low2 = i64x2.add(low2, i64x2.extmul_low_i32x4_u(square, factor));
        high2 = i64x2.add(high2, i64x2.extmul_high_i32x4_u(square, factor));
      }
      const to = out + output * 3 * distance + at;
      const constant = v128.load32_splat(lastBias + (output << 2));
      v128.store(to, once(i32x4.add(reduce(low0, high0, q, inverse), constant), q));
      v128.store(to + distance, reduce(low1, high1, q, inverse));
      v128.store(to + 2 * distance, reduce(low2, high2, q, inverse));
    }
  }
}
