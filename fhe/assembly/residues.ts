// Residues on the wire, and element-wise operations on polynomials of n residues.
import { montgomery, once, reduce } from './arithmetic';

/**
 * Unpacks `count` values of `bits` bits, little-endian. Reads up to 7 bytes more than they fill.
 * @returns whether all are below the prime
 */
export function unpack(packed: usize, bits: i32, count: i32, prime: u32, out: usize): bool {
  const mask: u64 = ((<u64>1) << bits) - 1;
  let at: usize = 0;
  let proper = true;
  for (let i = 0; i < count; i++) {
    const value = <u32>((load<u64>(packed + (at >> 3)) >> (at & 7)) & mask);
    if (value >= prime) proper = false;
    store<u32>(out, value);
    out += 4;
    at += bits;
  }
  return proper;
}

/** Inverse of `unpack`. Writes up to 7 zeros behind what they fill. */
export function pack(values: usize, bits: i32, count: i32, packed: usize): void {
  let held: u64 = 0;
  let filled: u64 = 0;
  for (let i = 0; i < count; i++) {
    held |= (<u64>load<u32>(values)) << filled;
    values += 4;
    filled += bits;
    store<u64>(packed, held);
    const whole = filled >> 3;
    packed += <usize>whole;
    held >>= whole << 3;
    filled &= 7;
  }
}

/** x ← x + y mod q. */
export function add(x: usize, y: usize, n: i32, prime: u32): void {
  const q = i32x4.splat(prime);
  const end = x + (<usize>n << 2);
  for (; x < end; x += 16, y += 16) {
    v128.store(x, once(i32x4.add(v128.load(x), v128.load(y)), q));
  }
}

/** out = x y / 2^32 mod q, and with `isSum` is added to what is there. */
export function multiply(
  x: usize,
  y: usize,
  out: usize,
  n: i32,
  prime: u32,
  inverse: u32,
  isSum: bool,
): void {
  const q = i32x4.splat(prime);
  const qInverse = i32x4.splat(inverse);
  const end = x + (<usize>n << 2);
  for (; x < end; x += 16, y += 16, out += 16) {
    let product = montgomery(v128.load(x), v128.load(y), q, qInverse);
    if (isSum) product = once(i32x4.add(product, v128.load(out)), q);
    v128.store(out, product);
  }
}

/** out = x c / 2^32 mod q for one constant. */
export function scale(x: usize, c: u32, out: usize, n: i32, prime: u32, inverse: u32): void {
  const q = i32x4.splat(prime);
  const qInverse = i32x4.splat(inverse);
  const factor = i32x4.splat(c);
  const end = x + (<usize>n << 2);
  for (; x < end; x += 16, out += 16) {
    v128.store(out, montgomery(v128.load(x), factor, q, qInverse));
  }
}

/** (x + c) mod `from` taken modulo `to`, minus c: both primes are above 2^29 and below 2^30. */
export function lift(x: usize, c: u32, from: u32, to: u32, out: usize, n: i32): void {
  const qFrom = i32x4.splat(from);
  const qTo = i32x4.splat(to);
  const add = i32x4.splat(c);
  const subtract = i32x4.splat(to - (c % to));
  const end = x + (<usize>n << 2);
  for (; x < end; x += 16, out += 16) {
    const value = once(once(i32x4.add(v128.load(x), add), qFrom), qTo);
    v128.store(out, once(i32x4.add(value, subtract), qTo));
  }
}

/** x ← (x - y) c / 2^32 mod q for one constant. */
export function subtractScale(
  x: usize,
  y: usize,
  c: u32,
  n: i32,
  prime: u32,
  inverse: u32,
): void {
  const q = i32x4.splat(prime);
  const qInverse = i32x4.splat(inverse);
  const factor = i32x4.splat(c);
  const end = x + (<usize>n << 2);
  for (; x < end; x += 16, y += 16) {
    const difference = i32x4.sub(i32x4.add(v128.load(x), q), v128.load(y));
    v128.store(x, montgomery(difference, factor, q, qInverse));
  }
}

/** out[i] = x[table[i]], with `isSum` added to what is there. */
export function permute(
  x: usize,
  table: usize,
  out: usize,
  n: i32,
  prime: u32,
  isSum: bool,
): void {
  const q = i32x4.splat(prime);
  const end = table + (<usize>n << 2);
  for (; table < end; table += 16, out += 16) {
    let values = v128.load32_zero(x + ((<usize>load<u32>(table)) << 2));
    values = v128.load32_lane(x + ((<usize>load<u32>(table, 4)) << 2), values, 1);
    values = v128.load32_lane(x + ((<usize>load<u32>(table, 8)) << 2), values, 2);
    values = v128.load32_lane(x + ((<usize>load<u32>(table, 12)) << 2), values, 3);
    if (isSum) values = once(i32x4.add(values, v128.load(out)), q);
    v128.store(out, values);
  }
}

/**
 * out = Σ digit · key / 2^32 mod q over up to four digits: with 4 q < 2^32 the sum of their products
 * stays below 2^32 q.
 *
 * @param digits distance between digits, bytes
 * @param keys distance between the keys' polynomials, bytes
 */
export function innerProduct(
  digit: usize,
  digits: usize,
  key: usize,
  keys: usize,
  count: i32,
  out: usize,
  n: i32,
  prime: u32,
  inverse: u32,
): void {
  const q = i32x4.splat(prime);
  const qInverse = i32x4.splat(inverse);
  const length = <usize>n << 2;
  for (let i: usize = 0; i < length; i += 16) {
    let d = v128.load(digit + i);
    let k = v128.load(key + i);
    let low = i64x2.extmul_low_i32x4_u(d, k);
    let high = i64x2.extmul_high_i32x4_u(d, k);
    for (let j = 1; j < count; j++) {
      d = v128.load(digit + i + <usize>j * digits);
      k = v128.load(key + i + <usize>j * keys);
      low = i64x2.add(low, i64x2.extmul_low_i32x4_u(d, k));
      high = i64x2.add(high, i64x2.extmul_high_i32x4_u(d, k));
    }
    v128.store(out + i, reduce(low, high, q, qInverse));
  }
}
