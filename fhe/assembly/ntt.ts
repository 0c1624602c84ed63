// Negacyclic number-theoretic transform of n points modulo q < 2^30, in place, in the library's order:
// natural in, bit-reversed out. Powers of the root are in bit-reversed order, with their quotients after
// them: [n words w][n words floor(w 2^32 / q)]. Longa and Naehrig, CANS 2016.
import { once, shoup } from './arithmetic';

/** Any residues below 4q in; below q out. */
export function forward(x: usize, n: i32, roots: usize, prime: u32): void {
  const q = i32x4.splat(prime);
  const q2 = i32x4.splat(2 * prime);
  const quotients = roots + (<usize>n << 2);
  let at: usize = 4;
  let gap: usize = (<usize>n << 2) >> 1;
  const end = x + (<usize>n << 2);
  for (; gap >= 16; gap >>= 1) {
    for (let block = x; block < end; block += gap << 1) {
      const w = v128.load32_splat(roots + at);
      const quotient = v128.load32_splat(quotients + at);
      at += 4;
      const stop = block + gap;
      for (let i = block; i < stop; i += 16) {
        const u = once(v128.load(i), q2);
        const v = shoup(v128.load(i + gap), w, quotient, q);
        v128.store(i, i32x4.add(u, v));
        v128.store(i + gap, i32x4.add(i32x4.sub(u, v), q2));
      }
    }
  }
  // Gaps of 2 and 1: within two vectors.
  const half = <usize>n;
  let pairs: usize = half;
  let singles: usize = half << 1;
  for (let i = x; i < end; i += 32) {
    let a = v128.load(i);
    let b = v128.load(i, 16);
    let w = v128.load64_zero(roots + pairs);
    let quotient = v128.load64_zero(quotients + pairs);
    w = i32x4.shuffle(w, w, 0, 0, 1, 1);
    quotient = i32x4.shuffle(quotient, quotient, 0, 0, 1, 1);
    let u = once(i32x4.shuffle(a, b, 0, 1, 4, 5), q2);
    let v = shoup(i32x4.shuffle(a, b, 2, 3, 6, 7), w, quotient, q);
    const sum = i32x4.add(u, v);
    const difference = i32x4.add(i32x4.sub(u, v), q2);
    // Blocks are [s0 s1 d0 d1] and [s2 s3 d2 d3]; their first and second members of each pair:
    u = once(i32x4.shuffle(sum, difference, 0, 4, 2, 6), q2);
    v = shoup(
      i32x4.shuffle(sum, difference, 1, 5, 3, 7),
      v128.load(roots + singles),
      v128.load(quotients + singles),
      q,
    );
    a = once(once(i32x4.add(u, v), q2), q);
    b = once(once(i32x4.add(i32x4.sub(u, v), q2), q2), q);
    v128.store(i, i32x4.shuffle(a, b, 0, 4, 1, 5));
    v128.store(i, i32x4.shuffle(a, b, 2, 6, 3, 7), 16);
    pairs += 8;
    singles += 16;
  }
}

/**
 * Inverse of `forward`: residues below 2q in, below q out.
 * @param roots powers of the inverse root, as for `forward`; the first is 1/n in place of 1
 */
export function inverse(x: usize, n: i32, roots: usize, prime: u32): void {
  const q = i32x4.splat(prime);
  const q2 = i32x4.splat(2 * prime);
  const quotients = roots + (<usize>n << 2);
  const end = x + (<usize>n << 2);
  let pairs: usize = <usize>n;
  let singles: usize = <usize>n << 1;
  for (let i = x; i < end; i += 32) {
    const a = v128.load(i);
    const b = v128.load(i, 16);
    let u = i32x4.shuffle(a, b, 0, 2, 4, 6);
    let v = i32x4.shuffle(a, b, 1, 3, 5, 7);
    // Pairs 0 and 1 are of the first vector, 2 and 3 of the second.
    let sum = once(i32x4.add(u, v), q2);
    let difference = shoup(
      i32x4.add(i32x4.sub(u, v), q2),
      v128.load(roots + singles),
      v128.load(quotients + singles),
      q,
    );
    // [s0 d0 s1 d1], [s2 d2 s3 d3]: a gap of 2 is from pair 0 to 1 and from 2 to 3.
    u = i32x4.shuffle(sum, difference, 0, 4, 2, 6);
    v = i32x4.shuffle(sum, difference, 1, 5, 3, 7);
    let w = v128.load64_zero(roots + pairs);
    let quotient = v128.load64_zero(quotients + pairs);
    w = i32x4.shuffle(w, w, 0, 0, 1, 1);
    quotient = i32x4.shuffle(quotient, quotient, 0, 0, 1, 1);
    sum = once(i32x4.add(u, v), q2);
    difference = shoup(i32x4.add(i32x4.sub(u, v), q2), w, quotient, q);
    v128.store(i, i32x4.shuffle(sum, difference, 0, 1, 4, 5));
    v128.store(i, i32x4.shuffle(sum, difference, 2, 3, 6, 7), 16);
    pairs += 8;
    singles += 16;
  }
  let first: usize = <usize>n >> 1;
  for (let gap: usize = 16; first >= 4; gap <<= 1, first >>= 1) {
    let at = first;
    for (let block = x; block < end; block += gap << 1) {
      const w = v128.load32_splat(roots + at);
      const quotient = v128.load32_splat(quotients + at);
      at += 4;
      const stop = block + gap;
      for (let i = block; i < stop; i += 16) {
        const u = v128.load(i);
        const v = v128.load(i + gap);
        v128.store(i, once(i32x4.add(u, v), q2));
        v128.store(i + gap, shoup(i32x4.add(i32x4.sub(u, v), q2), w, quotient, q));
      }
    }
  }
  const w = v128.load32_splat(roots);
  const quotient = v128.load32_splat(quotients);
  for (let i = x; i < end; i += 16) {
    v128.store(i, once(shoup(v128.load(i), w, quotient, q), q));
  }
}
