// The second polynomial of a seeded ciphertext, as the library grows it: 64-bit words of BLAKE2Xb, each
// reduced modulo its prime, words that would bias it replaced (SEAL `randomgen.cpp`, `rlwe.cpp`,
// version 4.1). J.-P. Aumasson et al., "BLAKE2X", 2016; BLAKE2b: RFC 7693.
import { highHalves, lowHalves, montgomery, reduce } from './arithmetic';

const BUFFER_BYTES = 4096;
const IV = memory.data<u64>([
  0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
  0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
]);
// prettier-ignore
const SIGMA = memory.data<u8>([
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
  11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4,
  7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8,
  9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13,
  2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9,
  12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11,
  13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10,
  6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5,
  10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0,
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
  14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3,
]);
/** Message of one compression: 16 words, each in both lanes. */
const MESSAGE = memory.data(256, 16);
/** State of two compressions: 16 vectors. */
const STATE = memory.data(256, 16);
/** A buffer of the generator's output. */
const BUFFER = memory.data(BUFFER_BYTES, 16);
/** Words that replace those that would bias. */
const TAIL = memory.data(BUFFER_BYTES, 16);
const ROOT = memory.data(64, 16);

// @ts-ignore: decorator
@inline
function mix(a: usize, b: usize, c: usize, d: usize, x: v128, y: v128): void {
  let va = v128.load(STATE + a);
  let vb = v128.load(STATE + b);
  let vc = v128.load(STATE + c);
  let vd = v128.load(STATE + d);
  va = i64x2.add(i64x2.add(va, vb), x);
  vd = v128.xor(vd, va);
  vd = i32x4.shuffle(vd, vd, 1, 0, 3, 2);
  vc = i64x2.add(vc, vd);
  vb = v128.xor(vb, vc);
  vb = i8x16.shuffle(vb, vb, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
  va = i64x2.add(i64x2.add(va, vb), y);
  vd = v128.xor(vd, va);
  vd = i8x16.shuffle(vd, vd, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9);
  vc = i64x2.add(vc, vd);
  vb = v128.xor(vb, vc);
  vb = v128.or(i64x2.add(vb, vb), i64x2.shr_u(vb, 63));
  v128.store(STATE + a, va);
  v128.store(STATE + b, vb);
  v128.store(STATE + c, vc);
  v128.store(STATE + d, vd);
}

// @ts-ignore: decorator
@inline
function word(round: i32, i: i32): v128 {
  return v128.load(MESSAGE + ((<usize>load<u8>(SIGMA + (round << 4) + i)) << 4));
}

/** Twelve rounds over `MESSAGE` on `STATE`, two compressions at once. */
function rounds(): void {
  for (let round = 0; round < 12; round++) {
    mix(0, 64, 128, 192, word(round, 0), word(round, 1));
    mix(16, 80, 144, 208, word(round, 2), word(round, 3));
    mix(32, 96, 160, 224, word(round, 4), word(round, 5));
    mix(48, 112, 176, 240, word(round, 6), word(round, 7));
    mix(0, 80, 160, 240, word(round, 8), word(round, 9));
    mix(16, 96, 176, 192, word(round, 10), word(round, 11));
    mix(32, 112, 128, 208, word(round, 12), word(round, 13));
    mix(48, 64, 144, 224, word(round, 14), word(round, 15));
  }
}

/** One compression of 16 words at `message` into the 8 words at `hash`. */
function compress(hash: usize, message: usize, bytes: u64, last: bool): void {
  for (let i: usize = 0; i < 16; i++) {
    v128.store(MESSAGE + (i << 4), v128.load64_splat(message + (i << 3)));
  }
  for (let i: usize = 0; i < 8; i++) {
    v128.store(STATE + (i << 4), v128.load64_splat(hash + (i << 3)));
    v128.store(STATE + 128 + (i << 4), v128.load64_splat(IV + (i << 3)));
  }
  v128.store(STATE + 192, v128.xor(v128.load(STATE + 192), i64x2.splat(bytes)));
  if (last) v128.store(STATE + 224, v128.not(v128.load(STATE + 224)));
  rounds();
  for (let i: usize = 0; i < 8; i++) {
    const at = hash + (i << 3);
    store<u64>(
      at,
      load<u64>(at) ^ load<u64>(STATE + (i << 4)) ^ load<u64>(STATE + 128 + (i << 4)),
    );
  }
}

const BLOCK = memory.data(128, 16);

/** Output number `counter` of the generator: BLAKE2Xb of the counter under the 64 bytes of the seed. */
function fill(seed: usize, counter: u64, out: usize): void {
  const length: u64 = (<u64>BUFFER_BYTES) << 32;
  memory.copy(ROOT, IV, 64);
  // Digest and key of 64 bytes, fan-out and depth 1; length of the whole output.
  store<u64>(ROOT, load<u64>(ROOT) ^ 0x01014040);
  store<u64>(ROOT, load<u64>(ROOT, 8) ^ length, 8);
  memory.fill(BLOCK, 0, 128);
  memory.copy(BLOCK, seed, 64);
  compress(ROOT, BLOCK, 128, false);
  memory.fill(BLOCK, 0, 128);
  store<u64>(BLOCK, counter);
  compress(ROOT, BLOCK, 136, true);
  // Each output block hashes the root, two blocks at once. Half of the message is zero.
  for (let i: usize = 0; i < 8; i++) {
    v128.store(MESSAGE + (i << 4), v128.load64_splat(ROOT + (i << 3)));
  }
  memory.fill(MESSAGE + 128, 0, 128);
  for (let block: u64 = 0; block < <u64>(BUFFER_BYTES / 64); block += 2) {
    for (let i: usize = 0; i < 8; i++) {
      v128.store(STATE + (i << 4), v128.load64_splat(IV + (i << 3)));
      v128.store(STATE + 128 + (i << 4), v128.load64_splat(IV + (i << 3)));
    }
    // Digest and leaves of 64 bytes; number of the node; inner length 64.
    const h0 = v128.xor(v128.load(STATE), i64x2.splat(0x40 | (64 << 32)));
    const number = i64x2.replace_lane(i64x2.splat(block | length), 1, (block + 1) | length);
    const h1 = v128.xor(v128.load(STATE + 16), number);
    const h2 = v128.xor(v128.load(STATE + 32), i64x2.splat(64 << 8));
    v128.store(STATE, h0);
    v128.store(STATE + 16, h1);
    v128.store(STATE + 32, h2);
    v128.store(STATE + 192, v128.xor(v128.load(STATE + 192), i64x2.splat(64)));
    v128.store(STATE + 224, v128.not(v128.load(STATE + 224)));
    rounds();
    const to = out + (<usize>block << 6);
    for (let i: usize = 0; i < 8; i++) {
      let h = v128.load64_splat(IV + (i << 3));
      if (i === 0) h = h0;
      if (i === 1) h = h1;
      if (i === 2) h = h2;
      h = v128.xor(h, v128.xor(v128.load(STATE + (i << 4)), v128.load(STATE + 128 + (i << 4))));
      v128.store64_lane(to + (i << 3), h, 0);
      v128.store64_lane(to + 64 + (i << 3), h, 1);
    }
  }
}

/**
 * Residues of the polynomial that grows from a seed: [limb][n] words below their primes.
 *
 * @param primes for each limb four words: q, 1/q mod 2^32, 2^32 mod q, 2^64 mod q
 */
export function expandSeed(seed: usize, out: usize, n: i32, limbs: i32, primes: usize): void {
  const words = BUFFER_BYTES >> 3;
  let counter: u64 = 0;
  let tail: u64 = ((<u64>n) * limbs) / words;
  let tailAt: usize = BUFFER_BYTES;
  for (let limb = 0; limb < limbs; limb++) {
    const prime = load<u32>(primes);
    const q = i32x4.splat(prime);
    const inverse = v128.load32_splat(primes + 4);
    const fold = v128.load32_splat(primes + 8);
    const back = v128.load32_splat(primes + 12);
    // Words from here on would bias.
    const bound = u64.MAX_VALUE - (u64.MAX_VALUE % prime) - 1;
    primes += 16;
    for (let done = 0; done < n; done += words) {
      fill(seed, counter++, BUFFER);
      for (let at: usize = 0; at < <usize>BUFFER_BYTES; at += 32) {
        const a = v128.load(BUFFER + at);
        const b = v128.load(BUFFER + at, 16);
        const high = highHalves(a, b);
        if (v128.any_true(i32x4.eq(high, i32x4.splat(-1)))) {
          // Once in a billion: replaced by words that come after all others.
          for (let i: usize = 0; i < 32; i += 8) {
            let value = load<u64>(BUFFER + at + i);
            while (value >= bound) {
              if (tailAt === <usize>BUFFER_BYTES) {
                fill(seed, tail++, TAIL);
                tailAt = 0;
              }
              value = load<u64>(TAIL + tailAt);
              tailAt += 8;
            }
            store<u32>(out + (i >> 1), <u32>(value % prime));
          }
        } else {
          // hi 2^32 + lo with the high half folded, which is below 2^32 q; then times 2^64 / 2^64.
          const low = lowHalves(a, b);
          const x = i64x2.add(i64x2.extmul_low_i32x4_u(high, fold), i64x2.extend_low_i32x4_u(low));
          const y = i64x2.add(
            i64x2.extmul_high_i32x4_u(high, fold),
            i64x2.extend_high_i32x4_u(low),
          );
          const t = reduce(x, y, q, inverse);
          v128.store(out, montgomery(t, back, q, inverse));
        }
        out += 16;
      }
    }
  }
}
