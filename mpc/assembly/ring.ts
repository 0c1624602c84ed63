// Words of Z_2^32 that represent Z_2^24: the upper bits are never sent and never looked at.
// Counts are multiples of 4.

/** out = x + y */
export function addWords(x: usize, y: usize, out: usize, count: i32): void {
  const length = (<usize>count) << 2;
  for (let at: usize = 0; at < length; at += 16) {
    v128.store(out + at, i32x4.add(v128.load(x + at), v128.load(y + at)));
  }
}

/** out = x - y */
export function subtractWords(x: usize, y: usize, out: usize, count: i32): void {
  const length = (<usize>count) << 2;
  for (let at: usize = 0; at < length; at += 16) {
    v128.store(out + at, i32x4.sub(v128.load(x + at), v128.load(y + at)));
  }
}

/** Packs the low 24 bits of each word: 3 bytes per word, little-endian. */
export function pack24(words: usize, out: usize, count: i32): void {
  for (let n = 0; n < count; n += 4) {
    const w0 = load<u32>(words) & 0xffffff;
    const w1 = load<u32>(words, 4) & 0xffffff;
    const w2 = load<u32>(words, 8) & 0xffffff;
    const w3 = load<u32>(words, 12) & 0xffffff;
    store<u32>(out, w0 | (w1 << 24));
    store<u32>(out, (w1 >> 8) | (w2 << 16), 4);
    store<u32>(out, (w2 >> 16) | (w3 << 8), 8);
    words += 16;
    out += 12;
  }
}

/** Inverse of `pack24`; the upper 8 bits become zero. */
export function unpack24(packed: usize, out: usize, count: i32): void {
  for (let n = 0; n < count; n += 4) {
    const p0 = load<u32>(packed);
    const p1 = load<u32>(packed, 4);
    const p2 = load<u32>(packed, 8);
    store<u32>(out, p0 & 0xffffff);
    store<u32>(out, (p0 >> 24) | ((p1 & 0xffff) << 8), 4);
    store<u32>(out, (p1 >> 16) | ((p2 & 0xff) << 16), 8);
    store<u32>(out, p2 >> 8, 12);
    packed += 12;
    out += 16;
  }
}
