// ChaCha12 key stream (Bernstein 2008, with the word layout of RFC 8439), four blocks side by side: lane
// n of every vector belongs to block counter + n.

const DOUBLE_ROUNDS = 6;
const GROUP_BYTES: usize = 256;

function rotate16(x: v128): v128 {
  return i8x16.shuffle(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}
function rotate8(x: v128): v128 {
  return i8x16.shuffle(x, x, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
}
function rotate(x: v128, n: i32): v128 {
  return v128.or(i32x4.shl(x, n), i32x4.shr_u(x, 32 - n));
}

// Writes word rows r .. r + 3 of four blocks: a 4 x 4 transposition.
function storeRows(out: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab = i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const cd = i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const ef = i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  const gh = i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  v128.store(out, i64x2.shuffle(ab, cd, 0, 2));
  v128.store(out + 64, i64x2.shuffle(ab, cd, 1, 3));
  v128.store(out + 128, i64x2.shuffle(ef, gh, 0, 2));
  v128.store(out + 192, i64x2.shuffle(ef, gh, 1, 3));
}

/**
 * Writes `groups` times 256 bytes of key stream to `out` and advances the counter.
 * `state` is 16 words: constants, key, counter, nonce.
 */
export function chacha12(state: usize, out: usize, groups: i32): void {
  const s0 = v128.load32_splat(state);
  const s1 = v128.load32_splat(state, 4);
  const s2 = v128.load32_splat(state, 8);
  const s3 = v128.load32_splat(state, 12);
  const s4 = v128.load32_splat(state, 16);
  const s5 = v128.load32_splat(state, 20);
  const s6 = v128.load32_splat(state, 24);
  const s7 = v128.load32_splat(state, 28);
  const s8 = v128.load32_splat(state, 32);
  const s9 = v128.load32_splat(state, 36);
  const s10 = v128.load32_splat(state, 40);
  const s11 = v128.load32_splat(state, 44);
  const s13 = v128.load32_splat(state, 52);
  const s14 = v128.load32_splat(state, 56);
  const s15 = v128.load32_splat(state, 60);
  let counter = load<u32>(state, 48);
  for (let g = 0; g < groups; g++) {
    const s12 = i32x4.add(i32x4.splat(counter), i32x4(0, 1, 2, 3));
    let x0 = s0;
    let x1 = s1;
    let x2 = s2;
    let x3 = s3;
    let x4 = s4;
    let x5 = s5;
    let x6 = s6;
    let x7 = s7;
    let x8 = s8;
    let x9 = s9;
    let x10 = s10;
    let x11 = s11;
    let x12 = s12;
    let x13 = s13;
    let x14 = s14;
    let x15 = s15;
    for (let round = 0; round < DOUBLE_ROUNDS; round++) {
      // Columns.
      x0 = i32x4.add(x0, x4);
      x1 = i32x4.add(x1, x5);
      x2 = i32x4.add(x2, x6);
      x3 = i32x4.add(x3, x7);
      x12 = rotate16(v128.xor(x12, x0));
      x13 = rotate16(v128.xor(x13, x1));
      x14 = rotate16(v128.xor(x14, x2));
      x15 = rotate16(v128.xor(x15, x3));
      x8 = i32x4.add(x8, x12);
      x9 = i32x4.add(x9, x13);
      x10 = i32x4.add(x10, x14);
      x11 = i32x4.add(x11, x15);
      x4 = rotate(v128.xor(x4, x8), 12);
      x5 = rotate(v128.xor(x5, x9), 12);
      x6 = rotate(v128.xor(x6, x10), 12);
      x7 = rotate(v128.xor(x7, x11), 12);
      x0 = i32x4.add(x0, x4);
      x1 = i32x4.add(x1, x5);
      x2 = i32x4.add(x2, x6);
      x3 = i32x4.add(x3, x7);
      x12 = rotate8(v128.xor(x12, x0));
      x13 = rotate8(v128.xor(x13, x1));
      x14 = rotate8(v128.xor(x14, x2));
      x15 = rotate8(v128.xor(x15, x3));
      x8 = i32x4.add(x8, x12);
      x9 = i32x4.add(x9, x13);
      x10 = i32x4.add(x10, x14);
      x11 = i32x4.add(x11, x15);
      x4 = rotate(v128.xor(x4, x8), 7);
      x5 = rotate(v128.xor(x5, x9), 7);
      x6 = rotate(v128.xor(x6, x10), 7);
      x7 = rotate(v128.xor(x7, x11), 7);
      // Diagonals.
      x0 = i32x4.add(x0, x5);
      x1 = i32x4.add(x1, x6);
      x2 = i32x4.add(x2, x7);
      x3 = i32x4.add(x3, x4);
      x15 = rotate16(v128.xor(x15, x0));
      x12 = rotate16(v128.xor(x12, x1));
      x13 = rotate16(v128.xor(x13, x2));
      x14 = rotate16(v128.xor(x14, x3));
      x10 = i32x4.add(x10, x15);
      x11 = i32x4.add(x11, x12);
      x8 = i32x4.add(x8, x13);
      x9 = i32x4.add(x9, x14);
      x5 = rotate(v128.xor(x5, x10), 12);
      x6 = rotate(v128.xor(x6, x11), 12);
      x7 = rotate(v128.xor(x7, x8), 12);
      x4 = rotate(v128.xor(x4, x9), 12);
      x0 = i32x4.add(x0, x5);
      x1 = i32x4.add(x1, x6);
      x2 = i32x4.add(x2, x7);
      x3 = i32x4.add(x3, x4);
      x15 = rotate8(v128.xor(x15, x0));
      x12 = rotate8(v128.xor(x12, x1));
      x13 = rotate8(v128.xor(x13, x2));
      x14 = rotate8(v128.xor(x14, x3));
      x10 = i32x4.add(x10, x15);
      x11 = i32x4.add(x11, x12);
      x8 = i32x4.add(x8, x13);
      x9 = i32x4.add(x9, x14);
      x5 = rotate(v128.xor(x5, x10), 7);
      x6 = rotate(v128.xor(x6, x11), 7);
      x7 = rotate(v128.xor(x7, x8), 7);
      x4 = rotate(v128.xor(x4, x9), 7);
    }
    storeRows(out, i32x4.add(x0, s0), i32x4.add(x1, s1), i32x4.add(x2, s2), i32x4.add(x3, s3));
    storeRows(out + 16, i32x4.add(x4, s4), i32x4.add(x5, s5), i32x4.add(x6, s6), i32x4.add(x7, s7));
    storeRows(
      out + 32,
      i32x4.add(x8, s8),
      i32x4.add(x9, s9),
      i32x4.add(x10, s10),
      i32x4.add(x11, s11),
    );
    storeRows(
      out + 48,
      i32x4.add(x12, s12),
      i32x4.add(x13, s13),
      i32x4.add(x14, s14),
      i32x4.add(x15, s15),
    );
    counter += 4;
    out += GROUP_BYTES;
  }
  store<u32>(state, counter, 48);
}
