// Proofs of AND gates in GF(2^64), modulo x^64 + x^4 + x^3 + x + 1. A field element is a 64-bit word, bit j
// the coefficient of x^j. A block is 128 elements in bit planes: 64 vectors, vector j with bit j of each.
// Table lookups are indexed by single shares and by public coins, never by a secret.

/** Bit planes of a block. */
const PLANES: usize = 64;
const BLOCK_BYTES: usize = PLANES * 16;
/** Products of Karatsuba's multiplication of 64 bits: 3^6. */
const LEAVES: usize = 729;
const LEAF_BYTES: usize = LEAVES * 16;
/** The log of gates has 2^7 slices, and so 3^7 sums. */
const SLICES: usize = 128;
const SUMS: usize = 2187;
/** A cache line of each slice is read at a time. */
const TILE_BYTES: usize = 64;

function timesX(v: u64): u64 {
  return (v << 1) ^ (<u64>((<i64>v) >> 63) & 0x1b);
}

// v x^n for 0 < n <= 32
function timesPower(v: u64, n: i32): u64 {
  const high = v >> (64 - n);
  return (v << n) ^ high ^ (high << 1) ^ (high << 3) ^ (high << 4);
}

// The lower 64 coefficients of a product, by integer multiplication: with three zeros between any two bits
// their sums do not meet below bit 64 (Pornin, BearSSL, 2016). Without a branch on either factor.
function lowProduct(x: u64, y: u64): u64 {
  const x0 = x & 0x1111111111111111;
  const x1 = x & 0x2222222222222222;
  const x2 = x & 0x4444444444444444;
  const x3 = x & 0x8888888888888888;
  const y0 = y & 0x1111111111111111;
  const y1 = y & 0x2222222222222222;
  const y2 = y & 0x4444444444444444;
  const y3 = y & 0x8888888888888888;
  const z0 = (x0 * y0) ^ (x1 * y3) ^ (x2 * y2) ^ (x3 * y1);
  const z1 = (x0 * y1) ^ (x1 * y0) ^ (x2 * y3) ^ (x3 * y2);
  const z2 = (x0 * y2) ^ (x1 * y1) ^ (x2 * y0) ^ (x3 * y3);
  const z3 = (x0 * y3) ^ (x1 * y2) ^ (x2 * y1) ^ (x3 * y0);
  return (
    (z0 & 0x1111111111111111) |
    (z1 & 0x2222222222222222) |
    (z2 & 0x4444444444444444) |
    (z3 & 0x8888888888888888)
  );
}

function reverse(v: u64): u64 {
  v = ((v >> 1) & 0x5555555555555555) | ((v & 0x5555555555555555) << 1);
  v = ((v >> 2) & 0x3333333333333333) | ((v & 0x3333333333333333) << 2);
  v = ((v >> 4) & 0x0f0f0f0f0f0f0f0f) | ((v & 0x0f0f0f0f0f0f0f0f) << 4);
  return bswap<u64>(v);
}

// The upper coefficients are the lower ones of the reversed factors, reversed.
function multiply(x: u64, y: u64): u64 {
  const high = reverse(lowProduct(reverse(x), reverse(y))) >> 1;
  const rest = high ^ (high >> 60) ^ (high >> 61) ^ (high >> 63);
  return lowProduct(x, y) ^ rest ^ (rest << 1) ^ (rest << 3) ^ (rest << 4);
}

/**
 * Multiples of one element, the factor: eight tables of 256 words, one for each byte of what is multiplied.
 * They lie below the module's data (`memoryBase` in asconfig.json), as a constant address saves an addition
 * for each lookup.
 */
const TABLES: usize = 1024;
const TABLE_BYTES: usize = 2048;

/** Makes the element at `c` the factor of what follows: sums of words, weights, and so on. */
export function loadFactor(c: usize): void {
  let power = load<u64>(c);
  for (let table = TABLES; table < TABLES + 8 * TABLE_BYTES; table += TABLE_BYTES) {
    store<u64>(table, 0);
    for (let size: usize = 8; size < TABLE_BYTES; size <<= 1) {
      for (let n: usize = 0; n < size; n += 8) {
        store<u64>(table + size + n, load<u64>(table + n) ^ power);
      }
      power = timesX(power);
    }
  }
}

// @ts-ignore: decorators are valid here
@inline
function timesFactor(v: u64): u64 {
  const first = load<u64>(<usize>(v << 3) & 0x7f8, 1024) ^ load<u64>(<usize>(v >> 5) & 0x7f8, 3072);
  const next = load<u64>(<usize>(v >> 13) & 0x7f8, 5120) ^ load<u64>(<usize>(v >> 21) & 0x7f8, 7168);
  const third = load<u64>(<usize>(v >> 29) & 0x7f8, 9216) ^ load<u64>(<usize>(v >> 37) & 0x7f8, 11264);
  const last = load<u64>(<usize>(v >> 45) & 0x7f8, 13312) ^ load<u64>(<usize>(v >> 53) & 0x7f8, 15360);
  return first ^ next ^ (third ^ last);
}

/**
 * Records z = x y, or (not x) y where the masks are all ones, for `length` bytes, a multiple of 4: shares
 * of x, of y, and what each of two neighbours can say of this party's product and of the next one's. The
 * six streams lie `stride` bytes apart.
 */
export function recordGates(
  xOwn: usize,
  xNext: usize,
  yOwn: usize,
  yNext: usize,
  zeroOwn: usize,
  zeroNext: usize,
  maskOwn: i32,
  maskNext: i32,
  to: usize,
  stride: usize,
  length: i32,
): void {
  const wide = (<usize>length) & ~15;
  const onesOwn = i32x4.splat(maskOwn);
  const onesNext = i32x4.splat(maskNext);
  const y: usize = 2 * stride;
  const claim: usize = 4 * stride;
  let at: usize = 0;
  for (; at < wide; at += 16) {
    const x = v128.xor(v128.load(xOwn + at), onesOwn);
    const own = v128.load(yOwn + at);
    v128.store(to + at, x);
    v128.store(to + stride + at, v128.xor(v128.load(xNext + at), onesNext));
    v128.store(to + y + at, own);
    v128.store(to + y + stride + at, v128.load(yNext + at));
    v128.store(to + claim + at, v128.xor(v128.and(x, own), v128.load(zeroOwn + at)));
    v128.store(to + claim + stride + at, v128.load(zeroNext + at));
  }
  for (; at < <usize>length; at += 4) {
    const x = load<u32>(xOwn + at) ^ maskOwn;
    const own = load<u32>(yOwn + at);
    store<u32>(to + at, x);
    store<u32>(to + stride + at, load<u32>(xNext + at) ^ maskNext);
    store<u32>(to + y + at, own);
    store<u32>(to + y + stride + at, load<u32>(yNext + at));
    store<u32>(to + claim + at, (x & own) ^ load<u32>(zeroOwn + at));
    store<u32>(to + claim + stride + at, load<u32>(zeroNext + at));
  }
}

/**
 * sums[s] = the words of each of 128 slices as coefficients of a polynomial, at the factor; what is there goes
 * before them. Four at a time, as none waits for another.
 */
export function sliceSums(stream: usize, sliceBytes: usize, sums: usize): void {
  for (let end = sums + 8 * SLICES; sums < end; sums += 32) {
    let sum0 = load<u64>(sums);
    let sum1 = load<u64>(sums, 8);
    let sum2 = load<u64>(sums, 16);
    let sum3 = load<u64>(sums, 24);
    for (let at: usize = 0; at < sliceBytes; at += 8) {
      let word = stream + at;
      sum0 = timesFactor(sum0) ^ load<u64>(word);
      sum1 = timesFactor(sum1) ^ load<u64>((word += sliceBytes));
      sum2 = timesFactor(sum2) ^ load<u64>((word += sliceBytes));
      sum3 = timesFactor(sum3) ^ load<u64>(word + sliceBytes);
    }
    store<u64>(sums, sum0);
    store<u64>(sums, sum1, 8);
    store<u64>(sums, sum2, 16);
    store<u64>(sums, sum3, 24);
    stream += 4 * sliceBytes;
  }
}

// Adds the AND of x and y, at the 9 points of 2 variables, to the leaves.
function fourProducts(
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  y0: v128,
  y1: v128,
  y2: v128,
  y3: v128,
  leaves: usize,
): void {
  accumulate(leaves, x0, y0);
  accumulate(leaves + 16, x1, y1);
  accumulate(leaves + 32, v128.xor(x0, x1), v128.xor(y0, y1));
  accumulate(leaves + 48, x2, y2);
  accumulate(leaves + 64, x3, y3);
  accumulate(leaves + 80, v128.xor(x2, x3), v128.xor(y2, y3));
  x0 = v128.xor(x0, x2);
  x1 = v128.xor(x1, x3);
  y0 = v128.xor(y0, y2);
  y1 = v128.xor(y1, y3);
  accumulate(leaves + 96, x0, y0);
  accumulate(leaves + 112, x1, y1);
  accumulate(leaves + 128, v128.xor(x0, x1), v128.xor(y0, y1));
}

// @ts-ignore: decorators are valid here
@inline
function accumulate(leaf: usize, x: v128, y: v128): void {
  v128.store(leaf, v128.xor(v128.load(leaf), v128.and(x, y)));
}

// At `scratch`, the sum of the halves of x and of those of y, of `bytes` bytes each.
// @ts-ignore: decorators are valid here
@inline
function addHalves(x: usize, y: usize, bytes: usize, scratch: usize): void {
  for (let at: usize = 0; at < bytes; at += 16) {
    v128.store(scratch + at, v128.xor(v128.load(x + at), v128.load(x + bytes + at)));
    v128.store(scratch + bytes + at, v128.xor(v128.load(y + at), v128.load(y + bytes + at)));
  }
}

/**
 * Adds x y to the leaves of Karatsuba's multiplication, where x and y are `count` vectors, a power of 2 at
 * least 4: of the lower halves, of the upper ones, and of the sums of both, each in the same way.
 * `third` is a third of the leaves. `scratch` takes 2 `count` vectors.
 */
function products(count: usize, third: usize, x: usize, y: usize, leaves: usize, scratch: usize): void {
  if (count == 4) {
    fourProducts(
      v128.load(x),
      v128.load(x, 16),
      v128.load(x, 32),
      v128.load(x, 48),
      v128.load(y),
      v128.load(y, 16),
      v128.load(y, 32),
      v128.load(y, 48),
      leaves,
    );
    return;
  }
  const half = count >> 1;
  const bytes = half << 4;
  const part = third << 4;
  products(half, third / 3, x, y, leaves, scratch);
  products(half, third / 3, x + bytes, y + bytes, leaves + part, scratch);
  addHalves(x, y, bytes, scratch);
  products(half, third / 3, scratch, scratch + bytes, leaves + 2 * part, scratch + 2 * bytes);
}

// Sums of products at the 3 points of one variable, of a tile of each slice; three at a time, as none waits for
// another.
function threeSums(x: usize, y: usize, sums: usize): void {
  let low = load<u64>(sums);
  let high = load<u64>(sums, 8);
  let both = load<u64>(sums, 16);
  for (let end = x + TILE_BYTES; x < end; x += 16) {
    const xLow = v128.load(x);
    const xHigh = v128.load(x, TILE_BYTES);
    const yLow = v128.load(y);
    const yHigh = v128.load(y, TILE_BYTES);
    const lowProduct = v128.and(xLow, yLow);
    const highProduct = v128.and(xHigh, yHigh);
    const product = v128.and(v128.xor(xLow, xHigh), v128.xor(yLow, yHigh));
    low = timesFactor(low) ^ i64x2.extract_lane(lowProduct, 0);
    high = timesFactor(high) ^ i64x2.extract_lane(highProduct, 0);
    both = timesFactor(both) ^ i64x2.extract_lane(product, 0);
    low = timesFactor(low) ^ i64x2.extract_lane(lowProduct, 1);
    high = timesFactor(high) ^ i64x2.extract_lane(highProduct, 1);
    both = timesFactor(both) ^ i64x2.extract_lane(product, 1);
    y += 16;
  }
  store<u64>(sums, low);
  store<u64>(sums, high, 8);
  store<u64>(sums, both, 16);
}

// As `products`, with a tile of each of `count` slices, a power of 2, in the place of a vector.
function tileSums(
  count: usize,
  third: usize,
  x: usize,
  y: usize,
  sums: usize,
  scratch: usize,
): void {
  if (count == 2) {
    threeSums(x, y, sums);
    return;
  }
  const half = count >> 1;
  const bytes = half * TILE_BYTES;
  const part = third << 3;
  tileSums(half, third / 3, x, y, sums, scratch);
  tileSums(half, third / 3, x + bytes, y + bytes, sums + part, scratch);
  addHalves(x, y, bytes, scratch);
  const rest = scratch + 2 * bytes;
  tileSums(half, third / 3, scratch, scratch + bytes, sums + 2 * part, rest);
}

/** Bytes that {@link gateSums} needs: tiles of x and y, and what {@link tileSums} needs. */
export function gateSumsScratch(): usize {
  return 4 * SLICES * TILE_BYTES;
}

// At `tiles`, a tile of each slice: of one stream, or of the sum of two if `other` is not 0.
function loadTiles(stream: usize, other: usize, sliceBytes: usize, tiles: usize): void {
  const end = tiles + SLICES * TILE_BYTES;
  if (other == 0) {
    for (; tiles < end; tiles += TILE_BYTES) {
      memory.copy(tiles, stream, TILE_BYTES);
      stream += sliceBytes;
    }
    return;
  }
  for (; tiles < end; tiles += TILE_BYTES) {
    for (let i: usize = 0; i < TILE_BYTES; i += 16) {
      v128.store(tiles + i, v128.xor(v128.load(stream + i), v128.load(other + i)));
    }
    stream += sliceBytes;
    other += sliceBytes;
  }
}

/**
 * Slices of x and y are values at {0, 1}^7 of polynomials that are linear in each of 7 variables. sums[p] is
 * the sum of their products' words, weighted as in {@link sliceSums}, at point p of {0, 1, infinity}^7; what is
 * there goes before them. `from` and `to` are offsets in a slice, multiples of 64 bytes. x and y are the sums of
 * two streams each, or one stream where the other pointer is 0.
 */
export function gateSums(
  xStream: usize,
  xOther: usize,
  yStream: usize,
  yOther: usize,
  sliceBytes: usize,
  from: usize,
  to: usize,
  scratch: usize,
  sums: usize,
): void {
  const x = scratch;
  const y = scratch + SLICES * TILE_BYTES;
  const rest = scratch + 2 * SLICES * TILE_BYTES;
  for (; from < to; from += TILE_BYTES) {
    loadTiles(xStream + from, xOther == 0 ? 0 : xOther + from, sliceBytes, x);
    loadTiles(yStream + from, yOther == 0 ? 0 : yOther + from, sliceBytes, y);
    tileSums(SLICES, SUMS / 3, x, y, sums, rest);
  }
}

// Transposes a matrix of 64 x 64 bits: bit i of word j becomes bit j of word i (Warren, "Hacker's Delight").
function transpose(from: usize, stride: usize, to: usize): void {
  for (let i: usize = 0; i < 64; i++) store<u64>(to + (i << 3), load<u64>(from + i * stride));
  let mask: u64 = 0x00000000ffffffff;
  for (let j: usize = 32; j != 0; j >>= 1) {
    for (let k: usize = 0; k < 64; k = (k + j + 1) & ~j) {
      const lower = load<u64>(to + (k << 3));
      const upper = load<u64>(to + ((k + j) << 3));
      const swap = ((lower >> j) ^ upper) & mask;
      store<u64>(to + (k << 3), lower ^ (swap << j));
      store<u64>(to + ((k + j) << 3), upper ^ swap);
    }
    mask ^= mask << (j >> 1);
  }
}

/** Four vectors side by side: two of one array and two of another. */
const ENTRY_BYTES: usize = 64;
/** All sums of 4 rows of vectors. */
const TABLE_OF_SUMS: usize = 16 * ENTRY_BYTES;
const SUMS_BYTES: usize = 16 * TABLE_OF_SUMS;

// All sums of 4 rows, `stride` bytes apart, of the vectors at a, a + step, b, and b + step.
function sumsOfRows(a: usize, b: usize, step: usize, stride: usize, table: usize): void {
  v128.store(table, i64x2.splat(0));
  v128.store(table, i64x2.splat(0), 16);
  v128.store(table, i64x2.splat(0), 32);
  v128.store(table, i64x2.splat(0), 48);
  for (let size = ENTRY_BYTES; size < TABLE_OF_SUMS; size <<= 1) {
    const a0 = v128.load(a);
    const a1 = v128.load(a + step);
    const b0 = v128.load(b);
    const b1 = v128.load(b + step);
    for (let entry = table; entry < table + size; entry += ENTRY_BYTES) {
      const sum = entry + size;
      v128.store(sum, v128.xor(v128.load(entry), a0));
      v128.store(sum, v128.xor(v128.load(entry, 16), a1), 16);
      v128.store(sum, v128.xor(v128.load(entry, 32), b0), 32);
      v128.store(sum, v128.xor(v128.load(entry, 48), b1), 48);
    }
    a += stride;
    b += stride;
  }
}

/**
 * Adds to four blocks the product of a matrix of bits and 64 rows of vectors, `stride` bytes apart: bit i of
 * matrix row j says whether row i goes into plane j. The rows of the first two blocks begin at `a` and `step`
 * bytes behind it, and the blocks at `outA` and right behind it; the other two likewise. Four rows are looked up
 * at a time (Arlazarov, Dinic, Kronrod, Faradzev, 1970).
 */
function addProduct(
  matrix: usize,
  a: usize,
  b: usize,
  step: usize,
  stride: usize,
  tables: usize,
  outA: usize,
  outB: usize,
): void {
  const end = tables + SUMS_BYTES;
  for (let table = tables; table < end; table += TABLE_OF_SUMS) {
    sumsOfRows(a, b, step, stride, table);
    a += 4 * stride;
    b += 4 * stride;
  }
  for (let j: usize = 0; j < BLOCK_BYTES; j += 16) {
    let row = load<u64>(matrix + (j >> 1));
    let a0 = v128.load(outA + j);
    let a1 = v128.load(outA + j, BLOCK_BYTES);
    let b0 = v128.load(outB + j);
    let b1 = v128.load(outB + j, BLOCK_BYTES);
    for (let table = tables; table < end; table += TABLE_OF_SUMS) {
      const entry = table + ((<usize>row & 15) << 6);
      row >>= 4;
      a0 = v128.xor(a0, v128.load(entry));
      a1 = v128.xor(a1, v128.load(entry, 16));
      b0 = v128.xor(b0, v128.load(entry, 32));
      b1 = v128.xor(b1, v128.load(entry, 48));
    }
    v128.store(outA + j, a0);
    v128.store(outA + j, a1, BLOCK_BYTES);
    v128.store(outB + j, b0);
    v128.store(outB + j, b1, BLOCK_BYTES);
  }
}

// The matrix of a product with an element: column i is the element times x^i.
function matrixOf(element: u64, columns: usize, matrix: usize): void {
  for (let i: usize = 0; i < 64; i++) {
    store<u64>(columns + (i << 3), element);
    element = timesX(element);
  }
  transpose(columns, 8, matrix);
}

/** Bytes that {@link foldSlices}, {@link foldBlocks} and {@link scaleBlock} need. */
export function foldScratch(): usize {
  return SUMS_BYTES + 5 * BLOCK_BYTES;
}

/**
 * Blocks 4 `from` <= n < 4 `to` of streams of 128 slices: sum over s of weights[s] times bit s of each position.
 * Of two streams, or of one if `b` is 0. Goes downwards; if `isWeighted`, multiplies the weights by the factor
 * after each 4 blocks.
 */
export function foldSlices(
  a: usize,
  b: usize,
  sliceBytes: usize,
  from: i32,
  to: i32,
  weights: usize,
  isWeighted: bool,
  scratch: usize,
  outA: usize,
  outB: usize,
): void {
  const rows = scratch + SUMS_BYTES;
  transpose(weights, 8, rows);
  transpose(weights + 512, 8, rows + 512);
  for (let n = to - 1; n >= from; n--) {
    const at = (<usize>n) << 6;
    const block: usize = (<usize>n) * (4 * BLOCK_BYTES);
    memory.fill(outA + block, 0, 4 * BLOCK_BYTES);
    if (b == 0) {
      foldColumns(rows, a + at, a + at + 32, sliceBytes, scratch, outA + block, outA + block + 2 * BLOCK_BYTES);
    } else {
      memory.fill(outB + block, 0, 4 * BLOCK_BYTES);
      foldColumns(rows, a + at, b + at, sliceBytes, scratch, outA + block, outB + block);
      const next: usize = block + 2 * BLOCK_BYTES;
      foldColumns(rows, a + at + 32, b + at + 32, sliceBytes, scratch, outA + next, outB + next);
    }
    if (!isWeighted) continue;
    for (let at = weights; at < weights + 8 * SLICES; at += 8) {
      store<u64>(at, timesFactor(load<u64>(at)));
    }
    transpose(weights, 8, rows);
    transpose(weights + 512, 8, rows + 512);
  }
}

// Two blocks each from 32 bytes of all slices at `a` and at `b`.
function foldColumns(
  rows: usize,
  a: usize,
  b: usize,
  sliceBytes: usize,
  scratch: usize,
  outA: usize,
  outB: usize,
): void {
  const upper = PLANES * sliceBytes;
  addProduct(rows, a, b, 16, sliceBytes, scratch, outA, outB);
  addProduct(rows + 512, a + upper, b + upper, 16, sliceBytes, scratch, outA, outB);
}

/**
 * out[n] = sum over c of weights[c] block[c stride + n] for `count` sums, an even number, of `terms` blocks, of two
 * arrays side by side. `rows` takes 512 bytes for each term.
 */
export function foldBlocks(
  a: usize,
  b: usize,
  stride: i32,
  count: i32,
  terms: i32,
  weights: usize,
  rows: usize,
  scratch: usize,
  outA: usize,
  outB: usize,
): void {
  for (let c: usize = 0; c < <usize>terms; c++) {
    matrixOf(load<u64>(weights + (c << 3)), scratch, rows + c * 512);
  }
  for (let n = 0; n < count; n += 2) {
    memory.fill(outA, 0, 2 * BLOCK_BYTES);
    memory.fill(outB, 0, 2 * BLOCK_BYTES);
    for (let c = 0; c < terms; c++) {
      const at = <usize>(c * stride + n) * BLOCK_BYTES;
      addProduct(rows + (<usize>c) * 512, a + at, b + at, BLOCK_BYTES, 16, scratch, outA, outB);
    }
    outA += 2 * BLOCK_BYTES;
    outB += 2 * BLOCK_BYTES;
  }
}

/** out = the block multiplied by an element. */
export function scaleBlock(block: usize, element: usize, scratch: usize, out: usize): void {
  const matrix = scratch + SUMS_BYTES;
  const products = matrix + BLOCK_BYTES;
  matrixOf(load<u64>(element), scratch, matrix);
  memory.fill(products, 0, 4 * BLOCK_BYTES);
  addProduct(matrix, block, block, 0, 16, scratch, products, products + 2 * BLOCK_BYTES);
  memory.copy(out, products, BLOCK_BYTES);
}

// Sum of all lanes of a product from its leaves: lanes of the upper word weigh x^bit, those of the lower word
// the factor times as much.
function recombine(count: usize, third: usize, leaves: usize): u64 {
  if (count == 1) return timesFactor(load<u64>(leaves)) ^ load<u64>(leaves, 8);
  const half = count >> 1;
  const part = third << 4;
  const low = recombine(half, third / 3, leaves);
  const high = recombine(half, third / 3, leaves + part);
  const both = recombine(half, third / 3, leaves + 2 * part);
  return low ^ timesPower(low ^ high ^ both ^ timesPower(high, <i32>half), <i32>half);
}

// The sum of the blocks that a point of {0, 1, infinity}^k selects among 2^k: both where a digit is infinity.
// Returns where it is: at `to`, unless it is just one block.
function select(blocks: usize, stride: usize, point: i32, variables: i32, to: usize): usize {
  let first: usize = 0;
  let both: usize = 0;
  for (let bit: usize = 1; bit < (<usize>1) << variables; bit <<= 1) {
    const digit = point % 3;
    point /= 3;
    if (digit == 1) first |= bit;
    if (digit == 2) both |= bit;
  }
  const block = blocks + first * stride;
  if (both == 0) return block;
  memory.copy(to, block, BLOCK_BYTES);
  for (let subset = both; subset != 0; subset = (subset - 1) & both) {
    const other = block + subset * stride;
    for (let at: usize = 0; at < BLOCK_BYTES; at += 16) {
      v128.store(to + at, v128.xor(v128.load(to + at), v128.load(other + at)));
    }
  }
  return to;
}

/** Bytes that {@link blockSum} needs. */
export function blockSumScratch(): usize {
  return LEAF_BYTES + 4 * BLOCK_BYTES;
}

/**
 * x and y are 2^variables parts of `count` blocks each, values at {0, 1}^variables of polynomials that are
 * linear in each variable. out = the sum of all products at a point of {0, 1, infinity}^variables, whose last
 * digit is that of the last variable; lanes are weighted as in {@link gateSums}, and so is block n of a part, by
 * what n is modulo `cycle`, which divides `count`.
 */
export function blockSum(
  x: usize,
  y: usize,
  count: i32,
  cycle: i32,
  variables: i32,
  point: i32,
  scratch: usize,
  out: usize,
): void {
  const leaves = scratch;
  const xs = scratch + LEAF_BYTES;
  const ys = xs + BLOCK_BYTES;
  const stride = (<usize>count) * BLOCK_BYTES;
  let sum: u64 = 0;
  for (let first = 0; first < cycle; first++) {
    memory.fill(leaves, 0, LEAF_BYTES);
    for (let n = first; n < count; n += cycle) {
      const at = (<usize>n) * BLOCK_BYTES;
      const left = select(x + at, stride, point, variables, xs);
      const right = select(y + at, stride, point, variables, ys);
      products(PLANES, LEAVES / 3, left, right, leaves, ys + BLOCK_BYTES);
    }
    // A block is two words.
    sum = timesFactor(timesFactor(sum)) ^ recombine(PLANES, LEAVES / 3, leaves);
  }
  store<u64>(out, sum);
}

/** The 128 elements of a block; multiplied by the lanes' weights if `isWeighted`. */
export function elements(block: usize, isWeighted: bool, out: usize): void {
  transpose(block, 16, out);
  transpose(block + 8, 16, out + 512);
  if (!isWeighted) return;
  for (let lane = 0; lane < 128; lane++) {
    const at = out + ((<usize>lane) << 3);
    let element = load<u64>(at);
    if (lane < 64) element = timesFactor(element);
    for (let bit = lane & 63; bit > 0; bit -= 32) element = timesPower(element, min(bit, 32));
    store<u64>(at, element);
  }
}

/**
 * out[p] = x y at point p of {0, 1, infinity}^k, for 2^k = `count` elements of x and y. `scratch` takes 2
 * `count` elements; `third` is a third of the points.
 */
export function elementProducts(
  count: i32,
  third: usize,
  x: usize,
  y: usize,
  out: usize,
  scratch: usize,
): void {
  if (count == 1) {
    store<u64>(out, multiply(load<u64>(x), load<u64>(y)));
    return;
  }
  const half = count >> 1;
  const bytes = (<usize>half) << 3;
  const part = third << 3;
  elementProducts(half, third / 3, x, y, out, scratch);
  elementProducts(half, third / 3, x + bytes, y + bytes, out + part, scratch);
  for (let at: usize = 0; at < bytes; at += 8) {
    store<u64>(scratch + at, load<u64>(x + at) ^ load<u64>(x + bytes + at));
    store<u64>(scratch + bytes + at, load<u64>(y + at) ^ load<u64>(y + bytes + at));
  }
  elementProducts(half, third / 3, scratch, scratch + bytes, out + 2 * part, scratch + 2 * bytes);
}

/** weights[c] for c in {0, 1}^variables: what a linear polynomial's value at c counts at `point`. */
export function weightsAt(point: usize, variables: i32, weights: usize): void {
  store<u64>(weights, 1);
  for (let n = 0; n < variables; n++) {
    const coordinate = load<u64>(point + ((<usize>n) << 3));
    for (let c = (1 << n) - 1; c >= 0; c--) {
      const weight = load<u64>(weights + ((<usize>c) << 3));
      const one = multiply(weight, coordinate);
      store<u64>(weights + ((<usize>c) << 4), weight ^ one);
      store<u64>(weights + ((<usize>c) << 4), one, 8);
    }
  }
}

/** First of `values` at {0, 1}^variables becomes the linear polynomial's value at `point`. */
export function foldElements(values: usize, variables: i32, point: usize): void {
  for (let n = 0; n < variables; n++) {
    const half = (<usize>1) << (variables - 1 - n);
    const coordinate = load<u64>(point + ((<usize>n) << 3));
    for (let i: usize = 0; i < half; i++) {
      const low = load<u64>(values + (i << 3));
      const high = load<u64>(values + ((half + i) << 3));
      store<u64>(values + (i << 3), low ^ multiply(coordinate, low ^ high));
    }
  }
}

/**
 * First of `values` at {0, 1, infinity}^variables becomes the quadratic polynomial's value at `point`. Leaves
 * another factor.
 */
export function interpolate(values: usize, variables: i32, point: usize): void {
  let count: usize = 1;
  for (let n = 0; n < variables; n++) count *= 3;
  for (let n = 0; n < variables; n++) {
    const third = count / 3;
    loadFactor(point + ((<usize>n) << 3));
    for (let i: usize = 0; i < third; i++) {
      const zero = load<u64>(values + (i << 3));
      const one = load<u64>(values + ((third + i) << 3));
      const infinity = load<u64>(values + ((2 * third + i) << 3));
      const slope = zero ^ one ^ infinity ^ timesFactor(infinity);
      store<u64>(values + (i << 3), zero ^ timesFactor(slope));
    }
    count = third;
  }
}

/** out = x y */
export function multiplyElements(x: usize, y: usize, out: usize): void {
  store<u64>(out, multiply(load<u64>(x), load<u64>(y)));
}

/** Whether (x + x') (y + y') = z + z' for elements x, y, z at either pointer. */
export function isProduct(a: usize, b: usize): bool {
  const x = load<u64>(a) ^ load<u64>(b);
  const y = load<u64>(a, 8) ^ load<u64>(b, 8);
  return multiply(x, y) == (load<u64>(a, 16) ^ load<u64>(b, 16));
}
