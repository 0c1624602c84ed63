// Residues modulo a prime q, four of 32 bits in a vector. Bounds are in the comments: all laziness is
// within them. P. Montgomery, "Modular multiplication without trial division", Math. Comp. 44, 1985;
// D. Harvey, "Faster arithmetic for number-theoretic transforms", J. Symb. Comp. 60, 2014.

/** High halves of the four 64-bit products. */
// @ts-ignore: decorator
@inline
export function mulHigh(a: v128, b: v128): v128 {
  return i8x16.shuffle(
    i64x2.extmul_low_i32x4_u(a, b),
    i64x2.extmul_high_i32x4_u(a, b),
    4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31,
  );
}

/** Low halves of the 64-bit lanes of two vectors. */
// @ts-ignore: decorator
@inline
export function lowHalves(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
}

/** High halves of the 64-bit lanes of two vectors. */
// @ts-ignore: decorator
@inline
export function highHalves(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
}

/**
 * Four 64-bit values x < 2^32 q, in two vectors, to x / 2^32 mod q below q.
 * @param inverse 1/q mod 2^32
 */
// @ts-ignore: decorator
@inline
export function reduce(a: v128, b: v128, q: v128, inverse: v128): v128 {
  const t = i32x4.sub(
    highHalves(a, b),
    mulHigh(i32x4.mul(lowHalves(a, b), inverse), q),
  );
  return i32x4.min_u(t, i32x4.add(t, q));
}

/** a b / 2^32 mod q, below q, for a b < 2^32 q. */
// @ts-ignore: decorator
@inline
export function montgomery(a: v128, b: v128, q: v128, inverse: v128): v128 {
  return reduce(
    i64x2.extmul_low_i32x4_u(a, b),
    i64x2.extmul_high_i32x4_u(a, b),
    q,
    inverse,
  );
}

/** a w mod q below 2q for any a; `quotient` is floor(w 2^32 / q), w below q. */
// @ts-ignore: decorator
@inline
export function shoup(a: v128, w: v128, quotient: v128, q: v128): v128 {
  return i32x4.sub(i32x4.mul(a, w), i32x4.mul(mulHigh(a, quotient), q));
}

/** a mod m for a < 2m < 2^32. */
// @ts-ignore: decorator
@inline
export function once(a: v128, m: v128): v128 {
  return i32x4.min_u(a, i32x4.sub(a, m));
}
