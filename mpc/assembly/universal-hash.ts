// NH (Black, Halevi, Krawczyk, Krovetz, Rogaway, "UMAC", CRYPTO 1999) on 32-bit words, two passes with a
// key that is shifted by 16 bytes: different data of the same length collide with probability 2^-64
// under a random key.

/** 16 bytes of hash of `length` bytes, a multiple of 32. The key has 16 bytes more. */
export function universalHash(key: usize, data: usize, length: i32, out: usize): void {
  let first = i64x2.splat(0);
  let second = i64x2.splat(0);
  const end = data + <usize>length;
  let keyWords = v128.load(key);
  for (; data < end; data += 32) {
    const x = v128.load(data);
    const y = v128.load(data, 16);
    const keyNext = v128.load(key, 16);
    const keyLast = v128.load(key, 32);
    let a = i32x4.add(x, keyWords);
    let b = i32x4.add(y, keyNext);
    first = i64x2.add(first, i64x2.extmul_low_i32x4_u(a, b));
    first = i64x2.add(first, i64x2.extmul_high_i32x4_u(a, b));
    a = i32x4.add(x, keyNext);
    b = i32x4.add(y, keyLast);
    second = i64x2.add(second, i64x2.extmul_low_i32x4_u(a, b));
    second = i64x2.add(second, i64x2.extmul_high_i32x4_u(a, b));
    keyWords = keyLast;
    key += 32;
  }
  store<u64>(out, i64x2.extract_lane(first, 0) + i64x2.extract_lane(first, 1));
  store<u64>(out, i64x2.extract_lane(second, 0) + i64x2.extract_lane(second, 1), 8);
}
