// 64-bit words to bit planes: plane j holds bit j of every value, 32 values to a 32-bit word.

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

/** planes[j * words + w] = bit j of values[32 w ..], for 64-bit values. Bits from `count` on are zero. */
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
