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

// Units at byte offsets order[u] and order[u + 1] of a stream.
function two(stream: usize, first: usize, second: usize): v128 {
  return v128.load64_lane(stream + second, v128.load64_zero(stream + first), 1);
}

/**
 * Both shares of the masked operands of a page of gates: sigma[u] = x[u] ^ a[order[u]] and rho[u] = y[u] ^
 * b[order[u]], for an even number of units. `own` and `next` take sigma and then rho.
 */
export function maskOperands(
  xOwn: usize,
  xNext: usize,
  yOwn: usize,
  yNext: usize,
  aOwn: usize,
  aNext: usize,
  bOwn: usize,
  bNext: usize,
  order: usize,
  own: usize,
  next: usize,
  count: i32,
): void {
  const length = (<usize>count) << 3;
  for (let at: usize = 0; at < length; at += 16) {
    const j = <usize>load<u16>(order);
    const k = <usize>load<u16>(order, 2);
    order += 4;
    v128.store(own + at, v128.xor(v128.load(xOwn + at), two(aOwn, j, k)));
    v128.store(next + at, v128.xor(v128.load(xNext + at), two(aNext, j, k)));
    v128.store(own + length + at, v128.xor(v128.load(yOwn + at), two(bOwn, j, k)));
    v128.store(next + length + at, v128.xor(v128.load(yNext + at), two(bNext, j, k)));
  }
}

/** out[u] = a[order[u]] for `count` units. */
export function pickUnits(a: usize, order: usize, out: usize, count: i32): void {
  for (let u: usize = 0; u < <usize>count; u++) {
    store<u64>(out + (u << 3), load<u64>(a + <usize>load<u16>(order + (u << 1))));
  }
}

/**
 * Shares of z ^ c ^ sigma b ^ rho a ^ sigma rho, which is zero when z = x y and c = a b, for sigma = x ^ a
 * and rho = y ^ b. `next` takes this party's second share, `third` the sum of both, which is the third
 * share if all is well. Masks are all ones for the share that absorbs public values.
 */
export function gateResidue(
  zOwn: usize,
  zNext: usize,
  sigma: usize,
  rho: usize,
  aOwn: usize,
  aNext: usize,
  bOwn: usize,
  bNext: usize,
  cOwn: usize,
  cNext: usize,
  order: usize,
  maskOwn: i32,
  maskNext: i32,
  next: usize,
  third: usize,
  count: i32,
): void {
  const length = (<usize>count) << 3;
  const onesOwn = i32x4.splat(maskOwn);
  const onesNext = i32x4.splat(maskNext);
  for (let at: usize = 0; at < length; at += 16) {
    const j = <usize>load<u16>(order);
    const k = <usize>load<u16>(order, 2);
    order += 4;
    const s = v128.load(sigma + at);
    const r = v128.load(rho + at);
    const sr = v128.and(s, r);
    const ownProducts = v128.xor(v128.and(s, two(bOwn, j, k)), v128.and(r, two(aOwn, j, k)));
    const ownValue = v128.xor(v128.load(zOwn + at), two(cOwn, j, k));
    const wOwn = v128.xor(v128.xor(ownValue, ownProducts), v128.and(sr, onesOwn));
    const nextProducts = v128.xor(v128.and(s, two(bNext, j, k)), v128.and(r, two(aNext, j, k)));
    const nextValue = v128.xor(v128.load(zNext + at), two(cNext, j, k));
    const wNext = v128.xor(v128.xor(nextValue, nextProducts), v128.and(sr, onesNext));
    v128.store(next + at, wNext);
    v128.store(third + at, v128.xor(wOwn, wNext));
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
