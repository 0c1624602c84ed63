// NH (Black, Halevi, Krawczyk, Krovetz, Rogaway, "UMAC", CRYPTO 1999) on 32-bit words, two passes with a
// key that is shifted by a whole pair of vectors: different data of the same length collide with probability 2^-64
// under a random key.

/** 16 bytes of hash of `length` bytes, a multiple of 32. The key has 32 bytes more. */
export function universalHash(key: usize, data: usize, length: i32, out: usize): void {
  let first = i64x2.splat(0);
  let second = i64x2.splat(0);
  const end = data + <usize>length;
  for (; data < end; data += 32) {
    const x = v128.load(data);
    const y = v128.load(data, 16);
    let a = i32x4.add(x, v128.load(key));
    let b = i32x4.add(y, v128.load(key, 16));
    first = i64x2.add(first, i64x2.extmul_low_i32x4_u(a, b));
    first = i64x2.add(first, i64x2.extmul_high_i32x4_u(a, b));
    a = i32x4.add(x, v128.load(key, 32));
    b = i32x4.add(y, v128.load(key, 48));
    second = i64x2.add(second, i64x2.extmul_low_i32x4_u(a, b));
    second = i64x2.add(second, i64x2.extmul_high_i32x4_u(a, b));
    key += 32;
  }
  store<u64>(out, i64x2.extract_lane(first, 0) + i64x2.extract_lane(first, 1));
  store<u64>(out, i64x2.extract_lane(second, 0) + i64x2.extract_lane(second, 1), 8);
}
