// Bitwise operations on buffers whose length is a multiple of 4 bytes.

/** out = x ^ y */
export function xorBytes(x: usize, y: usize, out: usize, length: i32): void {
  let at: usize = 0;
  const wide = (<usize>length) & ~15;
  for (; at < wide; at += 16) v128.store(out + at, v128.xor(v128.load(x + at), v128.load(y + at)));
  for (; at < <usize>length; at += 4) store<u32>(out + at, load<u32>(x + at) ^ load<u32>(y + at));
}

/**
 * This party's additive share of x & y on replicated shares:
 * out = xa & (ya ^ yb) ^ xb & ya ^ zeroA ^ zeroB.
 */
export function andBytes(
  xa: usize,
  xb: usize,
  ya: usize,
  yb: usize,
  zeroA: usize,
  zeroB: usize,
  out: usize,
  length: i32,
): void {
  let at: usize = 0;
  const wide = (<usize>length) & ~15;
  for (; at < wide; at += 16) {
    const y = v128.load(ya + at);
    const product = v128.xor(
      v128.and(v128.load(xa + at), v128.xor(y, v128.load(yb + at))),
      v128.and(v128.load(xb + at), y),
    );
    const zero = v128.xor(v128.load(zeroA + at), v128.load(zeroB + at));
    v128.store(out + at, v128.xor(product, zero));
  }
  for (; at < <usize>length; at += 4) {
    const y = load<u32>(ya + at);
    const product = (load<u32>(xa + at) & (y ^ load<u32>(yb + at))) ^ (load<u32>(xb + at) & y);
    store<u32>(out + at, product ^ load<u32>(zeroA + at) ^ load<u32>(zeroB + at));
  }
}
