/**
 * Ascon-AEAD128, NIST SP 800-232: 128-bit key, nonce and tag, 128-bit blocks.
 *
 * The state is five 64-bit words. Boards have no 64-bit integers, so each word is a low and a high
 * half: the standard's little-endian order makes `state[i]` simply the i-th 32-bit little-endian
 * piece of the 40-byte state string. Signed 32-bit values are used throughout, because unsigned ones
 * above 2^31 become floating-point numbers on small engines.
 */

import { hide } from './bytes.ts';

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
/** Bytes of the state: the key, and the nonce or tag, begin here; the last one holds the domain bit. */
const KEY_AT = 8;
const TAG_AT = 24;
const STATE_BYTES = 40;

/**
 * Ascon-p over `s`, from round `first` to the last (SP 800-232 section 3). Refers to nothing outside,
 * so that a board can compile its source text.
 *
 * Written for interpreters, which pay for each operation and each assignment. Within the loop the
 * first xors of the substitution layer are done already, by the linear layer before it, and the words
 * 1 and 3 are held inverted: that turns all but one of the layer's inversions into nothing.
 */
export function permute(s: Int32Array, first: number): void {
  // The round constants are 0xf0, 0xe1, ... 0x4b.
  let c = 0xf0 - 15 * first;
  // Low and high halves between the layers; in the loop all but word 1 are inverted.
  let a0 = s[0];
  let b0 = s[1];
  let a1 = s[2];
  let b1 = s[3];
  let a2 = s[4];
  let b2 = s[5];
  let a3 = s[6];
  let b3 = s[7];
  let a4 = s[8];
  let b4 = s[9];
  // The halves within the substitution layer.
  let l0 = a0 ^ a4;
  let h0 = b0 ^ b4;
  let l1 = ~a1;
  let h1 = ~b1;
  let l2 = a2 ^ a1 ^ c;
  let h2 = b2 ^ b1;
  let l3 = ~a3;
  let h3 = ~b3;
  let l4 = a4 ^ a3;
  let h4 = b4 ^ b3;
  let t: number;
  while (c !== 0x3c) {
    // Substitution layer: low halves, then high halves.
    a0 = (t = l0 ^ (l1 & l2)) ^ (a4 = l4 ^ (l0 | l1));
    a1 = t ^ l1 ^ (l2 | l3);
    a3 = (a2 = l2 ^ (l3 & l4)) ^ l3 ^ (l0 & ~l4);
    b0 = (t = h0 ^ (h1 & h2)) ^ (b4 = h4 ^ (h0 | h1));
    b1 = t ^ h1 ^ (h2 | h3);
    b3 = (b2 = h2 ^ (h3 & h4)) ^ h3 ^ (h0 & ~h4);
    // Linear layer: each word is xored with two rotations of itself, whose halves do not overlap.
    l0 =
      a0 ^
      (a0 >>> 19) ^
      (b0 << 13) ^
      (a0 >>> 28) ^
      (b0 << 4) ^
      (t = a4 ^ (a4 >>> 7) ^ (b4 << 25) ^ (b4 >>> 9) ^ (a4 << 23));
    l4 = t ^ (l3 = a3 ^ (a3 >>> 10) ^ (b3 << 22) ^ (a3 >>> 17) ^ (b3 << 15));
    h0 =
      b0 ^
      (b0 >>> 19) ^
      (a0 << 13) ^
      (b0 >>> 28) ^
      (a0 << 4) ^
      (t = b4 ^ (b4 >>> 7) ^ (a4 << 25) ^ (a4 >>> 9) ^ (b4 << 23));
    h4 = t ^ (h3 = b3 ^ (b3 >>> 10) ^ (a3 << 22) ^ (b3 >>> 17) ^ (a3 << 15));
    l2 =
      a2 ^
      (a2 >>> 1) ^
      (b2 << 31) ^
      (a2 >>> 6) ^
      (b2 << 26) ^
      (l1 = ~a1 ^ (b1 >>> 29) ^ (a1 << 3) ^ (b1 >>> 7) ^ (a1 << 25)) ^
      (c -= 15);
    h2 =
      b2 ^
      (b2 >>> 1) ^
      (a2 << 31) ^
      (b2 >>> 6) ^
      (a2 << 26) ^
      (h1 = ~b1 ^ (a1 >>> 29) ^ (b1 << 3) ^ (a1 >>> 7) ^ (b1 << 25));
  }
  s[0] = l0 ^ (s[8] = l4 ^ (s[6] = ~l3));
  s[1] = h0 ^ (s[9] = h4 ^ (s[7] = ~h3));
  s[4] = l2 ^ (s[2] = ~l1) ^ c;
  s[5] = h2 ^ (s[3] = ~h1);
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
  /** The last output and a view of it: who passes the same one again allocates nothing. */
  declare private readonly memo: [Uint8Array?, DataView?];

  constructor() {
    // It may show samples.
    hide(this, 'memo', []);
  }

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
    const words = this.state;
    const memo = this.memo;
    if (memo[0] !== out) {
      memo[0] = out;
      memo[1] = new DataView(out.buffer, out.byteOffset, out.length);
    }
    const view = memo[1] as DataView;
    out.set(plaintext);
    let at = 0;
    while (at + BLOCK_BYTES <= length) {
      for (let w = 0; w < 4; w++) {
        view.setInt32(at, (words[w] ^= view.getInt32(at, true)), true);
        at += 4;
      }
      ascon.permute(words, FIRST_OF_8);
    }
    let i = 0;
    while (at < length) {
      s[i] ^= out[at];
      out[at++] = s[i++];
    }
    this.finish(i, key);
    for (i = TAG_AT; i < STATE_BYTES; i++) {
      out[at++] = s[i];
    }
    words.fill(0);
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
    s[STATE_BYTES - 1] ^= 0x80;
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
      this.bytes[at++] ^= key[i];
    }
  }
}
