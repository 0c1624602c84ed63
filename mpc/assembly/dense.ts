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
  for (let at: usize = 0; at < stride; at += 32) {
    let o = 0;
    for (; o + 1 < outputs; o += 2) {
      twoOutputs(xa + at, xb + at, wa, wSum, bias, out + at, inputs, o, o + 1, stride);
    }
    // An odd last output is computed twice: rare, and the same result.
    if (o < outputs) twoOutputs(xa + at, xb + at, wa, wSum, bias, out + at, inputs, o, o, stride);
  }
}

// Two outputs of 8 lanes: every input that is loaded is used for both.
function twoOutputs(
  xa: usize,
  xb: usize,
  wa: usize,
  wSum: usize,
  bias: usize,
  out: usize,
  inputs: i32,
  first: i32,
  second: i32,
  stride: usize,
): void {
  let low0 = v128.load32_splat(bias + ((<usize>first) << 2));
  let low1 = v128.load32_splat(bias + ((<usize>second) << 2));
  let high0 = low0;
  let high1 = low1;
  let at = (<usize>(first * inputs)) << 2;
  const end = at + ((<usize>inputs) << 2);
  const apart = (<usize>((second - first) * inputs)) << 2;
  for (; at < end; at += 4) {
    const aLow = v128.load(xa);
    const aHigh = v128.load(xa, 16);
    const bLow = v128.load(xb);
    const bHigh = v128.load(xb, 16);
    const sum0 = v128.load32_splat(wSum + at);
    const own0 = v128.load32_splat(wa + at);
    low0 = i32x4.add(low0, i32x4.add(i32x4.mul(aLow, sum0), i32x4.mul(bLow, own0)));
    high0 = i32x4.add(high0, i32x4.add(i32x4.mul(aHigh, sum0), i32x4.mul(bHigh, own0)));
    const sum1 = v128.load32_splat(wSum + at + apart);
    const own1 = v128.load32_splat(wa + at + apart);
    low1 = i32x4.add(low1, i32x4.add(i32x4.mul(aLow, sum1), i32x4.mul(bLow, own1)));
    high1 = i32x4.add(high1, i32x4.add(i32x4.mul(aHigh, sum1), i32x4.mul(bHigh, own1)));
    xa += stride;
    xb += stride;
  }
  v128.store(out + <usize>first * stride, low0);
  v128.store(out + <usize>first * stride, high0, 16);
  v128.store(out + <usize>second * stride, low1);
  v128.store(out + <usize>second * stride, high1, 16);
}
