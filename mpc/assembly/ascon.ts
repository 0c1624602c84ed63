// One round of the Ascon permutation (NIST SP 800-232, section 3) on XOR shares, split where the
// parties have to talk: `asconBegin` does everything up to the local part of the five word-ANDs,
// `asconEnd` the rest. A state is five rows of `lanes` 64-bit words; `a` and `b` are this party's two
// shares of it. `lanes` is even.

function rotateRight(x: v128, n: i32): v128 {
  return v128.or(i64x2.shr_u(x, n), i64x2.shl(x, 64 - n));
}

// Local part of a replicated AND (Araki et al. 2016): a party's additive share of x & y.
function crossTerms(xa: v128, xb: v128, ya: v128, yb: v128): v128 {
  return v128.xor(v128.and(xa, v128.xor(ya, yb)), v128.and(xb, ya));
}

function load2(row: usize, at: usize): v128 {
  return v128.load(row + at);
}

/**
 * Adds the round constant, applies the S-box's first linear layer and writes this party's additive
 * shares of the five ANDs to `out` (five rows).
 *
 * `maskA` and `maskB` are all ones where this party's share is the one that absorbs public constants
 * (share 0), else zero. `zeroA` and `zeroB` point to five rows of generator output whose XOR is this
 * party's share of zero.
 */
export function asconBegin(
  a: usize,
  b: usize,
  lanes: i32,
  constant: i32,
  maskA: i32,
  maskB: i32,
  zeroA: usize,
  zeroB: usize,
  out: usize,
): void {
  const row = (<usize>lanes) << 3;
  const onesA = i64x2.splat(<i64>maskA);
  const onesB = i64x2.splat(<i64>maskB);
  const constantA = i64x2.splat(<i64>(constant & maskA));
  const constantB = i64x2.splat(<i64>(constant & maskB));
  for (let at: usize = 0; at < row; at += 16) {
    const x0a = v128.xor(load2(a, at), load2(a + 4 * row, at));
    const x0b = v128.xor(load2(b, at), load2(b + 4 * row, at));
    const x1a = load2(a + row, at);
    const x1b = load2(b + row, at);
    const x2a = v128.xor(v128.xor(load2(a + 2 * row, at), constantA), x1a);
    const x2b = v128.xor(v128.xor(load2(b + 2 * row, at), constantB), x1b);
    const x3a = load2(a + 3 * row, at);
    const x3b = load2(b + 3 * row, at);
    const x4a = v128.xor(load2(a + 4 * row, at), x3a);
    const x4b = v128.xor(load2(b + 4 * row, at), x3b);

    const t0 = crossTerms(v128.xor(x0a, onesA), v128.xor(x0b, onesB), x1a, x1b);
    const t1 = crossTerms(v128.xor(x1a, onesA), v128.xor(x1b, onesB), x2a, x2b);
    const t2 = crossTerms(v128.xor(x2a, onesA), v128.xor(x2b, onesB), x3a, x3b);
    const t3 = crossTerms(v128.xor(x3a, onesA), v128.xor(x3b, onesB), x4a, x4b);
    const t4 = crossTerms(v128.xor(x4a, onesA), v128.xor(x4b, onesB), x0a, x0b);

    v128.store(a + at, x0a);
    v128.store(b + at, x0b);
    v128.store(a + 2 * row + at, x2a);
    v128.store(b + 2 * row + at, x2b);
    v128.store(a + 4 * row + at, x4a);
    v128.store(b + 4 * row + at, x4b);

    v128.store(out + at, v128.xor(t0, v128.xor(load2(zeroA, at), load2(zeroB, at))));
    v128.store(
      out + row + at,
      v128.xor(t1, v128.xor(load2(zeroA + row, at), load2(zeroB + row, at))),
    );
    v128.store(
      out + 2 * row + at,
      v128.xor(t2, v128.xor(load2(zeroA + 2 * row, at), load2(zeroB + 2 * row, at))),
    );
    v128.store(
      out + 3 * row + at,
      v128.xor(t3, v128.xor(load2(zeroA + 3 * row, at), load2(zeroB + 3 * row, at))),
    );
    v128.store(
      out + 4 * row + at,
      v128.xor(t4, v128.xor(load2(zeroA + 4 * row, at), load2(zeroB + 4 * row, at))),
    );
  }
}

/**
 * After `asconBegin`, where all parties know the words of row 1: the two ANDs that they are factors of, on one share
 * of the state, take rows 0 and 1 of `out`. They need no message.
 */
export function asconPublic(s: usize, known: usize, lanes: i32, mask: i32, out: usize): void {
  const row = (<usize>lanes) << 3;
  const ones = i64x2.splat(<i64>mask);
  for (let at: usize = 0; at < row; at += 16) {
    const x1 = v128.load(known + at);
    v128.store(out + at, v128.and(v128.xor(load2(s, at), ones), x1));
    v128.store(out + row + at, v128.andnot(load2(s + 2 * row, at), x1));
  }
}

// Second half of the S-box and the diffusion layer on one share; t holds that share of the ANDs.
function finish(s: usize, t: usize, row: usize, ones: v128): void {
  for (let at: usize = 0; at < row; at += 16) {
    let x0 = v128.xor(load2(s, at), load2(t + row, at));
    let x1 = v128.xor(load2(s + row, at), load2(t + 2 * row, at));
    let x2 = v128.xor(load2(s + 2 * row, at), load2(t + 3 * row, at));
    let x3 = v128.xor(load2(s + 3 * row, at), load2(t + 4 * row, at));
    let x4 = v128.xor(load2(s + 4 * row, at), load2(t, at));
    x1 = v128.xor(x1, x0);
    x0 = v128.xor(x0, x4);
    x3 = v128.xor(x3, x2);
    x2 = v128.xor(x2, ones);
    v128.store(s + at, v128.xor(x0, v128.xor(rotateRight(x0, 19), rotateRight(x0, 28))));
    v128.store(s + row + at, v128.xor(x1, v128.xor(rotateRight(x1, 61), rotateRight(x1, 39))));
    v128.store(s + 2 * row + at, v128.xor(x2, v128.xor(rotateRight(x2, 1), rotateRight(x2, 6))));
    v128.store(s + 3 * row + at, v128.xor(x3, v128.xor(rotateRight(x3, 10), rotateRight(x3, 17))));
    v128.store(s + 4 * row + at, v128.xor(x4, v128.xor(rotateRight(x4, 7), rotateRight(x4, 41))));
  }
}

/** Ends the round: `tA` is what `asconBegin` wrote, `tB` what the next party sent. */
export function asconEnd(
  a: usize,
  b: usize,
  lanes: i32,
  maskA: i32,
  maskB: i32,
  tA: usize,
  tB: usize,
): void {
  const row = (<usize>lanes) << 3;
  finish(a, tA, row, i64x2.splat(<i64>maskA));
  finish(b, tB, row, i64x2.splat(<i64>maskB));
}

/**
 * Turns rate into plaintext and puts the ciphertext in its place, in the first `length` bytes (1 to 8)
 * of every word, for one share. `mask` is all ones for the share that absorbs public values, else zero.
 */
export function asconAbsorb(
  rate: usize,
  ciphertext: usize,
  plaintext: usize,
  lanes: i32,
  length: i32,
  mask: i32,
): void {
  const row = (<usize>lanes) << 3;
  const part = i64x2.splat(length == 8 ? -1 : ((<i64>1) << ((<i64>length) << 3)) - 1);
  const absorbs = v128.and(part, i64x2.splat(<i64>mask));
  for (let at: usize = 0; at < row; at += 16) {
    const c = v128.and(v128.load(ciphertext + at), absorbs);
    const r = v128.load(rate + at);
    v128.store(plaintext + at, v128.and(v128.xor(r, c), part));
    v128.store(rate + at, v128.or(v128.andnot(r, part), c));
  }
}

/** XORs one 64-bit word, given as two halves, into every word of a row. */
export function xorConstant(row: usize, lanes: i32, low: u32, high: u32): void {
  const value = i64x2.splat(((<i64>high) << 32) | (<i64>low));
  const end = row + ((<usize>lanes) << 3);
  for (; row < end; row += 16) v128.store(row, v128.xor(v128.load(row), value));
}
