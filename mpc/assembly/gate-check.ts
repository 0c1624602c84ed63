// Check of AND gates by random triples. Everything is a stream of bits in units of 64; a permutation is
// a list of byte offsets of units, 16 bits each.

/** to = from ^ mask, where mask is all ones or zero. `length` is a multiple of 4. */
export function copyXor(from: usize, to: usize, length: i32, mask: i32): void {
  const wide = (<usize>length) & ~15;
  const ones = i32x4.splat(mask);
  let at: usize = 0;
  for (; at < wide; at += 16) v128.store(to + at, v128.xor(v128.load(from + at), ones));
  for (; at < <usize>length; at += 4) store<u32>(to + at, load<u32>(from + at) ^ mask);
}

/**
 * A uniform permutation of `count` units (Fisher and Yates) as byte offsets. `random` holds as many
 * 32-bit words; the bias of taking a word modulo at most 2^10 is below 2^-22.
 */
export function permutation(random: usize, count: i32, out: usize): void {
  for (let i = 0; i < count; i++) {
    const j = <i32>((<u64>load<u32>(random + ((<usize>i) << 2)) * <u64>(i + 1)) >> 32);
    const at = out + ((<usize>i) << 1);
    const other = out + ((<usize>j) << 1);
    store<u16>(at, load<u16>(other));
    store<u16>(other, <u16>(i << 3));
  }
}

/** out[u] = x[u] ^ a[order[u]] for `count` units. */
export function maskUnits(x: usize, a: usize, order: usize, out: usize, count: i32): void {
  for (let u: usize = 0; u < <usize>count; u++) {
    const j = <usize>load<u16>(order + (u << 1));
    store<u64>(out + (u << 3), load<u64>(x + (u << 3)) ^ load<u64>(a + j));
  }
}

/** out[u] = a[order[u]] for `count` units. */
export function pickUnits(a: usize, order: usize, out: usize, count: i32): void {
  for (let u: usize = 0; u < <usize>count; u++) {
    store<u64>(out + (u << 3), load<u64>(a + <usize>load<u16>(order + (u << 1))));
  }
}

/**
 * One share of z ^ c ^ sigma b ^ rho a ^ sigma rho, which is a share of zero when z = x y and c = a b,
 * for sigma = x ^ a and rho = y ^ b. `mask` is all ones for the share that absorbs public values.
 */
export function gateResidue(
  z: usize,
  sigma: usize,
  rho: usize,
  a: usize,
  b: usize,
  c: usize,
  order: usize,
  mask: i32,
  out: usize,
  count: i32,
): void {
  const ones = <u64>(<i64>mask);
  for (let u: usize = 0; u < <usize>count; u++) {
    const j = <usize>load<u16>(order + (u << 1));
    const at = u << 3;
    const s = load<u64>(sigma + at);
    const r = load<u64>(rho + at);
    const products = (s & load<u64>(b + j)) ^ (r & load<u64>(a + j)) ^ (s & r & ones);
    store<u64>(out + at, load<u64>(z + at) ^ load<u64>(c + j) ^ products);
  }
}

/** Whether c = a b for `count` units. */
export function isProduct(a: usize, b: usize, c: usize, count: i32): bool {
  let difference: u64 = 0;
  for (let at: usize = 0; at < (<usize>count) << 3; at += 8) {
    difference |= (load<u64>(a + at) & load<u64>(b + at)) ^ load<u64>(c + at);
  }
  return difference == 0;
}
