// Boolean to arithmetic, with one party's private value times a value that the other two know.
//
// A bit is XOR-shared as x0 ^ x1 ^ x2. Of three parties, the holder knows two shares and so their
// XOR s; the receiver and the helper both know the third share t. Then bit = s + t - 2 s t, and a
// product s t of a value s of the holder with a value t of the others is shared additively between
// receiver and helper with one message: the holder sends e = s + r to the receiver, where r is known
// to holder and helper; the receiver keeps t e, the helper -t r. (The three-party oblivious transfer
// of ABY3, Mohassel and Rindal 2018, section 5.4.1, in its additive form.)
//
// Every kernel adds to `acc`, this party's additive share of the result, one 32-bit word per value.
// Messages `e` and masks `r` are 32-bit words, term by term.

/**
 * Holder's part for bytes: acc[v] += sum over j of 2^j bit_j of byte v. Bytes are byte `byteOffset` of
 * 64-bit words at `a` and `b`; `e` and `r` hold 8 rows of `count` words.
 */
export function bytesHolder(a: usize, b: usize, count: i32, r: usize, e: usize, acc: usize): void {
  const row = (<usize>count) << 2;
  for (let v = 0; v < count; v++) {
    const at = (<usize>v) << 3;
    const s = (<u32>load<u8>(a + at)) ^ (<u32>load<u8>(b + at));
    const word = (<usize>v) << 2;
    for (let j = 0; j < 8; j++) {
      const term = word + <usize>j * row;
      // The factor -2 of the product is folded into the message.
      store<u32>(e + term, load<u32>(r + term) - (((s >> j) & 1) << (j + 1)));
    }
    store<u32>(acc + word, load<u32>(acc + word) + s);
  }
}

/** Receiver's part: the bytes of the third share `t` are in 64-bit words, as above. */
export function bytesReceiver(t: usize, count: i32, e: usize, acc: usize): void {
  const row = (<usize>count) << 2;
  for (let v = 0; v < count; v++) {
    const third = <u32>load<u8>(t + ((<usize>v) << 3));
    const word = (<usize>v) << 2;
    let sum = third;
    for (let j = 0; j < 8; j++) {
      sum += load<u32>(e + word + <usize>j * row) & (0 - ((third >> j) & 1));
    }
    store<u32>(acc + word, load<u32>(acc + word) + sum);
  }
}

/** Helper's part. */
export function bytesHelper(t: usize, count: i32, r: usize, acc: usize): void {
  const row = (<usize>count) << 2;
  for (let v = 0; v < count; v++) {
    const third = <u32>load<u8>(t + ((<usize>v) << 3));
    const word = (<usize>v) << 2;
    let sum: u32 = 0;
    for (let j = 0; j < 8; j++) {
      sum += load<u32>(r + word + <usize>j * row) & (0 - ((third >> j) & 1));
    }
    store<u32>(acc + word, load<u32>(acc + word) - sum);
  }
}

// Bit of value v in a plane.
function bitAt(plane: usize, v: i32): u32 {
  return (load<u32>(plane + (((<usize>v) >> 5) << 2)) >> (v & 31)) & 1;
}

/** acc[v] += weight * bit[v] for first <= v < last: the holder's part, with shares in planes a, b. */
export function bitHolder(
  a: usize,
  b: usize,
  weight: u32,
  first: i32,
  last: i32,
  r: usize,
  e: usize,
  acc: usize,
): void {
  for (let v = first; v < last; v++) {
    const s = weight * (bitAt(a, v) ^ bitAt(b, v));
    const term = (<usize>(v - first)) << 2;
    store<u32>(e + term, load<u32>(r + term) - 2 * s);
    const word = (<usize>v) << 2;
    store<u32>(acc + word, load<u32>(acc + word) + s);
  }
}

/** The receiver's part. */
export function bitReceiver(
  t: usize,
  weight: u32,
  first: i32,
  last: i32,
  e: usize,
  acc: usize,
): void {
  for (let v = first; v < last; v++) {
    const third = 0 - bitAt(t, v);
    const word = (<usize>v) << 2;
    const share = third & (weight + load<u32>(e + ((<usize>(v - first)) << 2)));
    store<u32>(acc + word, load<u32>(acc + word) + share);
  }
}

/** The helper's part. */
export function bitHelper(t: usize, first: i32, last: i32, r: usize, acc: usize): void {
  for (let v = first; v < last; v++) {
    const word = (<usize>v) << 2;
    const share = (0 - bitAt(t, v)) & load<u32>(r + ((<usize>(v - first)) << 2));
    store<u32>(acc + word, load<u32>(acc + word) - share);
  }
}

/**
 * acc[v] += sign * bit[v] * ((xa + xb)[v] >>> shift + (x third)[v] >>> shift), holder's part, where
 * values are read modulo 2^24 before the shift. Two terms per value: `e` and `r` hold two rows.
 *
 * With U the holder's summand and V the others': bit (U + V) = s U + t V + s V (1 - 2 t) +
 * U (1 - 2 s) t.
 */
export function selectHolder(
  a: usize,
  b: usize,
  xa: usize,
  xb: usize,
  shift: i32,
  sign: i32,
  first: i32,
  last: i32,
  r: usize,
  e: usize,
  acc: usize,
): void {
  const row = (<usize>(last - first)) << 2;
  for (let v = first; v < last; v++) {
    const word = (<usize>v) << 2;
    const s = bitAt(a, v) ^ bitAt(b, v);
    const u = <u32>sign * (((load<u32>(xa + word) + load<u32>(xb + word)) & 0xffffff) >> shift);
    const term = (<usize>(v - first)) << 2;
    store<u32>(e + term, load<u32>(r + term) + s);
    store<u32>(e + row + term, load<u32>(r + row + term) + u * (1 - 2 * s));
    store<u32>(acc + word, load<u32>(acc + word) + s * u);
  }
}

/** The receiver's part; x is the third share of the value. */
export function selectReceiver(
  t: usize,
  x: usize,
  shift: i32,
  sign: i32,
  first: i32,
  last: i32,
  e: usize,
  acc: usize,
): void {
  const row = (<usize>(last - first)) << 2;
  for (let v = first; v < last; v++) {
    const word = (<usize>v) << 2;
    const third = bitAt(t, v);
    const value = <u32>sign * ((load<u32>(x + word) & 0xffffff) >> shift);
    const term = (<usize>(v - first)) << 2;
    const share =
      third * value +
      value * (1 - 2 * third) * load<u32>(e + term) +
      third * load<u32>(e + row + term);
    store<u32>(acc + word, load<u32>(acc + word) + share);
  }
}

/** The helper's part. */
export function selectHelper(
  t: usize,
  x: usize,
  shift: i32,
  sign: i32,
  first: i32,
  last: i32,
  r: usize,
  acc: usize,
): void {
  const row = (<usize>(last - first)) << 2;
  for (let v = first; v < last; v++) {
    const word = (<usize>v) << 2;
    const third = bitAt(t, v);
    const value = <u32>sign * ((load<u32>(x + word) & 0xffffff) >> shift);
    const term = (<usize>(v - first)) << 2;
    const share = value * (1 - 2 * third) * load<u32>(r + term) + third * load<u32>(r + row + term);
    store<u32>(acc + word, load<u32>(acc + word) - share);
  }
}
