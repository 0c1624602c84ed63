// Bit planes of bytes and of words, and back to words: plane j holds bit j of every value, 32 values
// to a 32-bit word. Strides count words.

const block = memory.data(128, 16);

// Bit j of 32 bytes as a word at planes + 4 j stride, for j < bits.
function storeBits(low: v128, high: v128, bits: i32, planes: usize, stride: i32): void {
  for (let j = 0; j < bits; j++) {
    const lower = i8x16.bitmask(i8x16.shl(low, 7 - j));
    const upper = i8x16.bitmask(i8x16.shl(high, 7 - j));
    store<u32>(planes, (upper << 16) | lower);
    planes += (<usize>stride) << 2;
  }
}

/**
 * planes[j * stride + n / 32] = bit j of byte n, for all n = s * lanes + l: byte s % 8 of the 64-bit
 * word words[s / 8][l], for s < samples and l < lanes. Bits from samples * lanes on are zero.
 */
export function planesFromBytes(
  words: usize,
  samples: i32,
  lanes: i32,
  planes: usize,
  stride: i32,
): void {
  let s = 0;
  let l = 0;
  for (let w = 0; w < stride; w++) {
    for (let v: usize = 0; v < 32; v++) {
      const from = words + ((<usize>((s >> 3) * lanes + l)) << 3) + <usize>(s & 7);
      store<u8>(block + v, s < samples ? load<u8>(from) : 0);
      if (++l == lanes) {
        l = 0;
        s++;
      }
    }
    const low = v128.load(block);
    const high = v128.load(block, 16);
    storeBits(low, high, 8, planes + ((<usize>w) << 2), stride);
  }
}

// Byte `shift / 8` of each of 16 words.
function bytesOf(words: usize, shift: i32): v128 {
  const low = i32x4.splat(0xff);
  const first = v128.and(i32x4.shr_u(v128.load(words), shift), low);
  const second = v128.and(i32x4.shr_u(v128.load(words, 16), shift), low);
  const third = v128.and(i32x4.shr_u(v128.load(words, 32), shift), low);
  const fourth = v128.and(i32x4.shr_u(v128.load(words, 48), shift), low);
  return i8x16.narrow_i16x8_u(
    i16x8.narrow_i32x4_u(first, second),
    i16x8.narrow_i32x4_u(third, fourth),
  );
}

/**
 * planes[j * stride + w] = bit j of values[32 w ..], for j < bits and first <= w < last. Values from
 * `count` on are not read: their bits are zero. `stride` counts words.
 */
export function planesFromWords(
  values: usize,
  count: i32,
  first: i32,
  last: i32,
  bits: i32,
  planes: usize,
  stride: i32,
): void {
  for (let w = first; w < last; w++) {
    let words = values + ((<usize>w) << 7);
    if ((w << 5) + 32 > count) {
      const length = (<usize>max(0, count - (w << 5))) << 2;
      memory.fill(block, 0, 128);
      memory.copy(block, words, length);
      words = block;
    }
    for (let byte = 0; byte < bits; byte += 8) {
      const low = bytesOf(words, byte);
      const high = bytesOf(words + 64, byte);
      storeBits(
        low,
        high,
        min(8, bits - byte),
        planes + ((<usize>(byte * stride + w)) << 2),
        stride,
      );
    }
  }
}

/**
 * values[32 w + v] = sum over j < bits of 2^j bit v of planes[j * stride + w], for first <= w < last:
 * whole words of 32 values are written.
 */
export function wordsFromPlanes(
  planes: usize,
  stride: i32,
  bits: i32,
  first: i32,
  last: i32,
  values: usize,
): void {
  const zero = i32x4.splat(0);
  for (let w = first; w < last; w++) {
    let choose = i32x4(1, 2, 4, 8);
    for (let v = 0; v < 32; v += 4) {
      let sum = zero;
      for (let j = bits - 1; j >= 0; j--) {
        const word = v128.load32_splat(planes + ((<usize>(j * stride + w)) << 2));
        // A comparison that holds is -1.
        sum = i32x4.sub(i32x4.shl(sum, 1), i32x4.ne(v128.and(word, choose), zero));
      }
      v128.store(values + ((<usize>((w << 5) + v)) << 2), sum);
      choose = i32x4.shl(choose, 4);
    }
  }
}

/** out = -x modulo 2^24, upper 8 bits zero. `count` is a multiple of 4. */
export function negate24(x: usize, out: usize, count: i32): void {
  const zero = i32x4.splat(0);
  const low = i32x4.splat(0xffffff);
  const length = (<usize>count) << 2;
  for (let at: usize = 0; at < length; at += 16) {
    v128.store(out + at, v128.and(i32x4.sub(zero, v128.load(x + at)), low));
  }
}
