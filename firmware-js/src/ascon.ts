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
/** Bytes of the state: the key and the nonce begin here, and the last one holds the domain bit. */
const KEY_AT = 8;
const TAG_AT = 24;
const LAST_BYTE = 39;

/**
 * Ascon-p over `s`, from round `first` to the last (SP 800-232 section 3). Refers to nothing outside,
 * so that a board can compile its source text.
 */
export function permute(s: Int32Array, first: number): void {
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
  for (let round = first; round < 12; round++) {
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
    // Linear layer: each word is xored with two rotations of itself, whose halves do not overlap.
    a = l0;
    b = h0;
    l0 = a ^ (a >>> 19) ^ (b << 13) ^ (a >>> 28) ^ (b << 4);
    h0 = b ^ (b >>> 19) ^ (a << 13) ^ (b >>> 28) ^ (a << 4);
    a = l1;
    b = h1;
    l1 = a ^ (b >>> 29) ^ (a << 3) ^ (b >>> 7) ^ (a << 25);
    h1 = b ^ (a >>> 29) ^ (b << 3) ^ (a >>> 7) ^ (b << 25);
    a = l2;
    b = h2;
    l2 = a ^ (a >>> 1) ^ (b << 31) ^ (a >>> 6) ^ (b << 26);
    h2 = b ^ (b >>> 1) ^ (a << 31) ^ (b >>> 6) ^ (a << 26);
    a = l3;
    b = h3;
    l3 = a ^ (a >>> 10) ^ (b << 22) ^ (a >>> 17) ^ (b << 15);
    h3 = b ^ (b >>> 10) ^ (a << 22) ^ (b >>> 17) ^ (a << 15);
    a = l4;
    b = h4;
    l4 = a ^ (a >>> 7) ^ (b << 25) ^ (b >>> 9) ^ (a << 23);
    h4 = b ^ (b >>> 7) ^ (a << 25) ^ (a >>> 9) ^ (b << 23);
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

/** Who permutes, and where states lie. A board that has something faster replaces both. */
export const ascon = {
  permute: permute,
  /** Ten 32-bit words for a state. */
  allocate: (): Int32Array => new Int32Array(10),
};

/**
 * The cipher with its working memory, so that nothing is allocated per message. Between calls the
 * memory is zero. One object serves any number of keys.
 */
export class AsconAead128 {
  private readonly state = ascon.allocate();
  /** The same memory as the standard's byte string: every engine is little-endian. */
  private readonly bytes = new Uint8Array(this.state.buffer);

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
    const s = this.bytes;
    let i = 0;
    for (let at = 0; at < length; at++) {
      s[i] ^= plaintext[at];
      out[at] = s[i++];
      if (i === BLOCK_BYTES) {
        ascon.permute(this.state, FIRST_OF_8);
        i = 0;
      }
    }
    this.finish(i, key);
    for (i = 0; i < TAG_BYTES; i++) {
      out[length + i] = s[TAG_AT + i];
    }
    this.state.fill(0);
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
    const s = this.bytes;
    let i = 0;
    for (let at = 0; at < length; at++) {
      const byte = sealed[at];
      out[at] = s[i] ^ byte;
      s[i++] = byte;
      if (i === BLOCK_BYTES) {
        ascon.permute(this.state, FIRST_OF_8);
        i = 0;
      }
    }
    this.finish(i, key);
    let difference = 0;
    for (i = 0; i < TAG_BYTES; i++) {
      difference |= s[TAG_AT + i] ^ sealed[length + i];
    }
    this.state.fill(0);
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
    const words = this.state;
    const s = this.bytes;
    words[0] = IV_LOW;
    words[1] = IV_HIGH;
    s.set(key, KEY_AT);
    s.set(nonce, TAG_AT);
    ascon.permute(words, FIRST_OF_12);
    this.add(key, TAG_AT);
    const length = associatedData.length;
    if (length > 0) {
      let i = 0;
      for (let at = 0; at < length; at++) {
        s[i++] ^= associatedData[at];
        if (i === BLOCK_BYTES) {
          ascon.permute(words, FIRST_OF_8);
          i = 0;
        }
      }
      s[i] ^= 1;
      ascon.permute(words, FIRST_OF_8);
    }
    s[LAST_BYTE] ^= 0x80;
  }

  /** Padding after `i` bytes of the last block, and finalisation: leaves the tag in the state. */
  private finish(i: number, key: Uint8Array): void {
    this.bytes[i] ^= 1;
    this.add(key, BLOCK_BYTES);
    ascon.permute(this.state, FIRST_OF_12);
    this.add(key, TAG_AT);
  }

  /** Xors the key into the state from byte `at` on. */
  private add(key: Uint8Array, at: number): void {
    for (let i = 0; i < KEY_BYTES; i++) {
      this.bytes[at + i] ^= key[i];
    }
  }
}
