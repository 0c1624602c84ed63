// Dense layer on replicated shares of 32-bit words.

/**
 * This party's additive share of W x + bias: for every output o and lane l
 * out[o][l] = bias[o] + sum over i of xa[i][l] (wa + wb)[o][i] + xb[i][l] wa[o][i].
 * `wa` and `wSum` = wa + wb are row-major [outputs][inputs]; `lanes` is a multiple of 8.
 */
export function dense(
  xa: usize,
  xb: usize,
  wa: usize,
  wSum: usize,
  bias: usize,
  out: usize,
  inputs: i32,
  outputs: i32,
  lanes: i32,
): void {
  const stride = (<usize>lanes) << 2;
  const rowBytes = (<usize>inputs) << 2;
  for (let at: usize = 0; at < stride; at += 32) {
    for (let o = 0; o < outputs; o++) {
      let low = v128.load32_splat(bias + ((<usize>o) << 2));
      let high = low;
      const row = rowBytes * <usize>o;
      let fromA = xa + at;
      let fromB = xb + at;
      for (let i: usize = 0; i < rowBytes; i += 4) {
        const sum = v128.load32_splat(wSum + row + i);
        const own = v128.load32_splat(wa + row + i);
        low = i32x4.add(
          low,
          i32x4.add(i32x4.mul(v128.load(fromA), sum), i32x4.mul(v128.load(fromB), own)),
        );
        high = i32x4.add(
          high,
          i32x4.add(i32x4.mul(v128.load(fromA, 16), sum), i32x4.mul(v128.load(fromB, 16), own)),
        );
        fromA += stride;
        fromB += stride;
      }
      const to = out + <usize>o * stride + at;
      v128.store(to, low);
      v128.store(to, high, 16);
    }
  }
}
