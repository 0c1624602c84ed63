// Words to bit planes: plane j holds bit j of every value, 32 values to a 32-bit word.

const block = memory.data(128, 16);

// In-place transposition of the 32 x 32 bit matrix in `block` (recursive block swaps; Warren,
// "Hacker's Delight", section 7-3): afterwards bit v of row j is what bit j of row v was.
function transposeBlock(): void {
  let mask: u32 = 0x0000ffff;
  for (let width: u32 = 16; width != 0; width >>= 1, mask ^= mask << width) {
    for (let row: u32 = 0; row < 32; row = (row + width + 1) & ~width) {
      const upper = block + (row << 2);
      const lower = block + ((row + width) << 2);
      const high = load<u32>(upper);
      const low = load<u32>(lower);
      const swap = ((high >> width) ^ low) & mask;
      store<u32>(lower, low ^ swap);
      store<u32>(upper, high ^ (swap << width));
    }
  }
}

/** rows[w][l] = messages[l][w] for 64-bit words: [lanes][words] becomes [words][lanes]. */
export function rowsFromMessages(messages: usize, lanes: i32, words: i32, rows: usize): void {
  for (let l = 0; l < lanes; l++) {
    for (let w = 0; w < words; w++) {
      store<u64>(rows + ((<usize>(w * lanes + l)) << 3), load<u64>(messages));
      messages += 8;
    }
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
      const end = min(8, bits - byte);
      for (let j = 0; j < end; j++) {
        const lower = i8x16.bitmask(i8x16.shl(low, 7 - j));
        const upper = i8x16.bitmask(i8x16.shl(high, 7 - j));
        store<u32>(planes + ((<usize>((byte + j) * stride + w)) << 2), (upper << 16) | lower);
      }
    }
  }
}

/** The same for rows of 64-bit values, all bits: planes[j * words + w], 32 values to a word. */
export function planesFromWords64(values: usize, count: i32, planes: usize, words: i32): void {
  for (let half = 0; half < 2; half++) {
    for (let w = 0; w < words; w++) {
      for (let v = 0; v < 32; v++) {
        const at = (w << 5) + v;
        const from = values + ((<usize>at) << 3) + ((<usize>half) << 2);
        store<u32>(block + ((<usize>v) << 2), at < count ? load<u32>(from) : 0);
      }
      transposeBlock();
      for (let j = 0; j < 32; j++) {
        const to = planes + ((<usize>((half * 32 + j) * words + w)) << 2);
        store<u32>(to, load<u32>(block + ((<usize>j) << 2)));
      }
    }
  }
}
