// Products of rows with public vectors, for the check of dense layers. All modulo 2^32.

/**
 * out[v][n] += sum over l of rows[n][l] vectors[v][l], for `vectorCount` vectors, a multiple of 3.
 * `lanes` is a multiple of 8; `vectorStride` and `outStride` are bytes from one v to the next.
 */
export function rowsTimesVectors(
  rows: usize,
  count: i32,
  lanes: i32,
  vectors: usize,
  vectorCount: i32,
  vectorStride: usize,
  out: usize,
  outStride: usize,
): void {
  const length = (<usize>lanes) << 2;
  for (let v = 0; v < vectorCount; v += 3) {
    let row = rows;
    let to = out;
    for (let n = 0; n < count; n++) {
      rowTimesThree(row, length, vectors, vectorStride, to, outStride);
      row += length;
      to += 4;
    }
    vectors += 3 * vectorStride;
    out += 3 * outStride;
  }
}

// One row and three vectors: every value that is loaded is used three times.
function rowTimesThree(
  row: usize,
  length: usize,
  vector0: usize,
  vectorStride: usize,
  out: usize,
  outStride: usize,
): void {
  const vector1 = vector0 + vectorStride;
  const vector2 = vector1 + vectorStride;
  let low0 = i32x4.splat(0);
  let low1 = low0;
  let low2 = low0;
  let high0 = low0;
  let high1 = low0;
  let high2 = low0;
  for (let at: usize = 0; at < length; at += 32) {
    const low = v128.load(row + at);
    const high = v128.load(row + at, 16);
    low0 = i32x4.add(low0, i32x4.mul(low, v128.load(vector0 + at)));
    high0 = i32x4.add(high0, i32x4.mul(high, v128.load(vector0 + at, 16)));
    low1 = i32x4.add(low1, i32x4.mul(low, v128.load(vector1 + at)));
    high1 = i32x4.add(high1, i32x4.mul(high, v128.load(vector1 + at, 16)));
    low2 = i32x4.add(low2, i32x4.mul(low, v128.load(vector2 + at)));
    high2 = i32x4.add(high2, i32x4.mul(high, v128.load(vector2 + at, 16)));
  }
  accumulate(out, i32x4.add(low0, high0));
  accumulate(out + outStride, i32x4.add(low1, high1));
  accumulate(out + 2 * outStride, i32x4.add(low2, high2));
}

function accumulate(out: usize, sums: v128): void {
  const low = i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1);
  const high = i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3);
  store<i32>(out, load<i32>(out) + low + high);
}

/** out[i] = sum over n of weights[n] rows[n][i], for `count` rows of `width` words. */
export function combineRows(weights: usize, rows: usize, count: i32, width: i32, out: usize): void {
  const stride = (<usize>width) << 2;
  const end = weights + ((<usize>count) << 2);
  const whole = stride & ~15;
  let at: usize = 0;
  for (; at < whole; at += 16) {
    let sums = i32x4.splat(0);
    let row = rows + at;
    for (let weight = weights; weight < end; weight += 4) {
      sums = i32x4.add(sums, i32x4.mul(v128.load32_splat(weight), v128.load(row)));
      row += stride;
    }
    v128.store(out + at, sums);
  }
  for (; at < stride; at += 4) {
    let sum = 0;
    let row = rows + at;
    for (let weight = weights; weight < end; weight += 4) {
      sum += load<i32>(weight) * load<i32>(row);
      row += stride;
    }
    store<i32>(out + at, sum);
  }
}
