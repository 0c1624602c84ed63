/**
 * Ascon-AEAD128, NIST SP 800-232: 128-bit key, nonce and tag, 128-bit blocks.
 *
 * The state is five 64-bit words. Boards have no 64-bit integers, so each word is a low and a high
 * half: the standard's little-endian order makes `state[i]` simply the i-th 32-bit little-endian
 * piece of the 40-byte state string. Signed 32-bit values are used throughout, because unsigned ones
 * above 2^31 become floating-point numbers on small engines.
 */

export const KEY_BYTES = 16;
export const NONCE_BYTES = 16;
export const TAG_BYTES = 16;

/** Bytes absorbed or squeezed per permutation. */
const BLOCK_BYTES = 16;
/** SP 800-232 section 4.1: 0x00001000808c0001 names the variant, its rounds, tag length and rate. */
const IV_LOW = 0x808c0001 | 0;
const IV_HIGH = 0x00001000;
/** The 12-round permutation starts at round 0, the 8-round one at round 4: they end alike. */
const FIRST_OF_12 = 0;
const FIRST_OF_8 = 4;
const ROUNDS = 12;

/** Ascon-p over `s`, from round `first` to the last (SP 800-232 section 3). */
function permute(s: Int32Array, first: number): void {
  let l0 = s[0];
  let h0 = s[1];
  let l1 = s[2];
  let h1 = s[3];
  let l2 = s[4];
  let h2 = s[5];
  let l3 = s[6];
  let h3 = s[7];
  let l4 = s[8];
  let h4 = s[9];
  let a: number;
  let b: number;
  for (let round = first; round < ROUNDS; round++) {
    // Round constants 0xf0, 0xe1, ... 0x4b.
    l2 ^= 0xf0 - 15 * round;
    // Substitution layer: low halves, then high halves.
    l0 ^= l4;
    l4 ^= l3;
    l2 ^= l1;
    a = l0 & ~l4;
    b = l1 & ~l0;
    l0 ^= l2 & ~l1;
    l1 ^= l3 & ~l2;
    l2 ^= l4 & ~l3;
    l3 ^= a;
    l4 ^= b;
    l1 ^= l0;
    l0 ^= l4;
    l3 ^= l2;
    l2 = ~l2;
    h0 ^= h4;
    h4 ^= h3;
    h2 ^= h1;
    a = h0 & ~h4;
    b = h1 & ~h0;
    h0 ^= h2 & ~h1;
    h1 ^= h3 & ~h2;
    h2 ^= h4 & ~h3;
    h3 ^= a;
    h4 ^= b;
    h1 ^= h0;
    h0 ^= h4;
    h3 ^= h2;
    h2 = ~h2;
    // Linear layer: each word is xored with two rotations of itself.
    a = l0;
    b = h0;
    l0 = a ^ ((a >>> 19) | (b << 13)) ^ ((a >>> 28) | (b << 4));
    h0 = b ^ ((b >>> 19) | (a << 13)) ^ ((b >>> 28) | (a << 4));
    a = l1;
    b = h1;
    l1 = a ^ ((b >>> 29) | (a << 3)) ^ ((b >>> 7) | (a << 25));
    h1 = b ^ ((a >>> 29) | (b << 3)) ^ ((a >>> 7) | (b << 25));
    a = l2;
    b = h2;
    l2 = a ^ ((a >>> 1) | (b << 31)) ^ ((a >>> 6) | (b << 26));
    h2 = b ^ ((b >>> 1) | (a << 31)) ^ ((b >>> 6) | (a << 26));
    a = l3;
    b = h3;
    l3 = a ^ ((a >>> 10) | (b << 22)) ^ ((a >>> 17) | (b << 15));
    h3 = b ^ ((b >>> 10) | (a << 22)) ^ ((b >>> 17) | (a << 15));
    a = l4;
    b = h4;
    l4 = a ^ ((a >>> 7) | (b << 25)) ^ ((b >>> 9) | (a << 23));
    h4 = b ^ ((b >>> 7) | (a << 25)) ^ ((a >>> 9) | (b << 23));
  }
  s[0] = l0;
  s[1] = h0;
  s[2] = l1;
  s[3] = h1;
  s[4] = l2;
  s[5] = h2;
  s[6] = l3;
  s[7] = h3;
  s[8] = l4;
  s[9] = h4;
}

function getWord(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
}

function putWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}

/** Xors `byte` into byte `i` of the state string. */
function addByte(s: Int32Array, i: number, byte: number): void {
  s[i >> 2] ^= byte << ((i & 3) << 3);
}

/**
 * The cipher with its working memory, so that nothing is allocated per message. Between calls the
 * memory is zero. One object serves any number of keys.
 */
export class AsconAead128 {
  private readonly state = new Int32Array(10);
  private readonly key = new Int32Array(4);

  /**
   * Writes ciphertext, then tag, into `out`, which is {@link TAG_BYTES} longer than `plaintext` and
   * may begin with it in place. A nonce must never be used twice under one key.
   *
   * @throws Error on a wrong length.
   */
  encrypt(
    key: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
    plaintext: Uint8Array,
    out: Uint8Array,
  ): void {
    const length = plaintext.length;
    if (out.length !== length + TAG_BYTES) {
      throw new Error('Ascon: the output is not as long as plaintext and tag');
    }
    this.start(key, nonce, associatedData);
    const s = this.state;
    let at = 0;
    for (; at + BLOCK_BYTES <= length; at += BLOCK_BYTES) {
      for (let w = 0; w < 4; w++) {
        s[w] ^= getWord(plaintext, at + 4 * w);
        putWord(out, at + 4 * w, s[w]);
      }
      permute(s, FIRST_OF_8);
    }
    let i = 0;
    for (; at < length; at++) {
      addByte(s, i, plaintext[at]);
      out[at] = s[i >> 2] >>> ((i & 3) << 3);
      i++;
    }
    addByte(s, i, 1);
    this.finish();
    for (let w = 0; w < 4; w++) {
      putWord(out, length + 4 * w, s[6 + w]);
    }
    this.wipe();
  }

  /**
   * Opens ciphertext and tag into `out`, which is {@link TAG_BYTES} shorter than `sealed` and may be
   * its beginning in place. Returns false, and leaves only zeros in `out`, when the tag does not
   * verify; the comparison takes the same time wherever the tags differ.
   *
   * @throws Error on a wrong length.
   */
  decrypt(
    key: Uint8Array,
    nonce: Uint8Array,
    associatedData: Uint8Array,
    sealed: Uint8Array,
    out: Uint8Array,
  ): boolean {
    const length = out.length;
    if (sealed.length !== length + TAG_BYTES) {
      throw new Error('Ascon: the input is not as long as output and tag');
    }
    this.start(key, nonce, associatedData);
    const s = this.state;
    let at = 0;
    let word: number;
    for (; at + BLOCK_BYTES <= length; at += BLOCK_BYTES) {
      for (let w = 0; w < 4; w++) {
        word = getWord(sealed, at + 4 * w);
        putWord(out, at + 4 * w, s[w] ^ word);
        s[w] = word;
      }
      permute(s, FIRST_OF_8);
    }
    let i = 0;
    for (; at < length; at++) {
      out[at] = sealed[at] ^ (s[i >> 2] >>> ((i & 3) << 3));
      addByte(s, i, out[at]);
      i++;
    }
    addByte(s, i, 1);
    this.finish();
    let difference = 0;
    for (let w = 0; w < 4; w++) {
      difference |= s[6 + w] ^ getWord(sealed, length + 4 * w);
    }
    this.wipe();
    if (difference !== 0) {
      out.fill(0);
    }
    return difference === 0;
  }

  /** Initialisation and associated data, up to the domain separation. */
  private start(key: Uint8Array, nonce: Uint8Array, associatedData: Uint8Array): void {
    if (key.length !== KEY_BYTES || nonce.length !== NONCE_BYTES) {
      throw new Error('Ascon: key and nonce have 16 bytes each');
    }
    const s = this.state;
    const k = this.key;
    s[0] = IV_LOW;
    s[1] = IV_HIGH;
    for (let w = 0; w < 4; w++) {
      k[w] = getWord(key, 4 * w);
      s[2 + w] = k[w];
      s[6 + w] = getWord(nonce, 4 * w);
    }
    permute(s, FIRST_OF_12);
    for (let w = 0; w < 4; w++) {
      s[6 + w] ^= k[w];
    }
    const length = associatedData.length;
    if (length > 0) {
      let at = 0;
      for (; at + BLOCK_BYTES <= length; at += BLOCK_BYTES) {
        for (let w = 0; w < 4; w++) {
          s[w] ^= getWord(associatedData, at + 4 * w);
        }
        permute(s, FIRST_OF_8);
      }
      let i = 0;
      for (; at < length; at++) {
        addByte(s, i, associatedData[at]);
        i++;
      }
      addByte(s, i, 1);
      permute(s, FIRST_OF_8);
    }
    s[9] ^= 1 << 31;
  }

  /** Finalisation: leaves the tag in the last two words of the state. */
  private finish(): void {
    const s = this.state;
    const k = this.key;
    for (let w = 0; w < 4; w++) {
      s[4 + w] ^= k[w];
    }
    permute(s, FIRST_OF_12);
    for (let w = 0; w < 4; w++) {
      s[6 + w] ^= k[w];
    }
  }

  private wipe(): void {
    this.state.fill(0);
    this.key.fill(0);
  }
}
