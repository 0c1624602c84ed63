/**
 * The library's serialised objects, uncompressed, taken apart and put together here, as bytes from
 * outside must not reach its own parser (SEAL `native/src/seal/serialization.h`, `ciphertext.cpp`,
 * `kswitchkeys.cpp`, version 4.1). All integers are little-endian.
 *
 *     header       magic 0xA15E ‖ 16 ‖ major ‖ minor ‖ compression ‖ 0 2 ‖ length of the object 8
 *     ciphertext   header ‖ id of the parameters 32 ‖ in NTT form 1 ‖ parts 8 ‖ N 8 ‖ primes 8 ‖
 *                  scale 8 (double) ‖ correction factor 8 ‖ array ‖ in place of the last part: seed
 *     array        header ‖ count 8 ‖ words 8 each
 *     seed         header ‖ generator 1 (1: BLAKE2Xb) ‖ seed 64
 *     keys         header ‖ id 32 ‖ positions 8 ‖ for each: digits 8 ‖ ciphertexts
 */
import { MozaikError } from '@mozaik/protocol';

const MAGIC = 0xa15e;
const HEADER_BYTES = 16;
const ID_BYTES = 32;
const SEED_BYTES = 64;
const SEED_OBJECT_BYTES = HEADER_BYTES + 1 + SEED_BYTES;
const BLAKE2XB = 1;
const VERSION = [4, 1];
const WORD_BYTES = 8;
/** Fields of a ciphertext between its id and its array. */
const FIELDS_BYTES = 1 + 5 * WORD_BYTES;

/** A ciphertext or one digit of a key, in NTT form. */
export interface LibraryCiphertext {
  /** The library's hash of the parameters of its level. */
  id: Uint8Array;
  degree: number;
  limbs: number;
  scale: number;
  /** [part][prime][N] residues below 2^32; only the first of two parts when there is a seed. */
  residues: Uint32Array;
  /** From which the second part grows. */
  seed: Uint8Array | undefined;
}

const unexpected = (): MozaikError =>
  new MozaikError('HOMOMORPHIC_INPUT', 'an object of the library has another form');

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.at) throw unexpected();
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  byte(): number {
    return this.take(1)[0];
  }

  /** A count of at most 2^32. */
  count(): number {
    const at = this.at;
    this.take(WORD_BYTES);
    if (this.#view.getUint32(at + 4, true) !== 0) throw unexpected();
    return this.#view.getUint32(at, true);
  }

  double(): number {
    this.take(WORD_BYTES);
    return this.#view.getFloat64(this.at - WORD_BYTES, true);
  }

  header(): void {
    const start = this.at;
    this.take(HEADER_BYTES);
    const [major, minor, compression] = this.#bytes.subarray(start + 3, start + 6);
    if (this.#view.getUint16(start, true) !== MAGIC || compression !== 0) throw unexpected();
    if (major !== VERSION[0] || minor !== VERSION[1]) throw unexpected();
  }

  /** The low half of each word; the high half is zero. */
  words(count: number): Uint32Array {
    const start = this.at;
    this.take(count * WORD_BYTES);
    const words = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      words[i] = this.#view.getUint32(start + i * WORD_BYTES, true);
    }
    return words;
  }

  end(): void {
    if (this.at !== this.#bytes.length) throw unexpected();
  }
}

function readCiphertext(reader: Reader): LibraryCiphertext {
  reader.header();
  const id = reader.take(ID_BYTES).slice();
  if (reader.byte() !== 1) throw unexpected();
  const parts = reader.count();
  const degree = reader.count();
  const limbs = reader.count();
  const scale = reader.double();
  reader.take(WORD_BYTES);
  reader.header();
  const count = reader.count();
  const residues = reader.words(count);
  let seed: Uint8Array | undefined;
  if (count !== parts * limbs * degree) {
    if (parts !== 2 || count !== limbs * degree) throw unexpected();
    reader.header();
    if (reader.byte() !== BLAKE2XB) throw unexpected();
    seed = reader.take(SEED_BYTES).slice();
  }
  return { id, degree, limbs, scale, residues, seed };
}

export function parseCiphertext(bytes: Uint8Array): LibraryCiphertext {
  const reader = new Reader(bytes);
  const ciphertext = readCiphertext(reader);
  reader.end();
  return ciphertext;
}

/** The digits of each key, by its position: 0 for relinearisation, (g - 1)/2 for an automorphism g. */
export function parseKeys(bytes: Uint8Array): Map<number, LibraryCiphertext[]> {
  const reader = new Reader(bytes);
  reader.header();
  reader.take(ID_BYTES);
  const positions = reader.count();
  const keys = new Map<number, LibraryCiphertext[]>();
  for (let position = 0; position < positions; position++) {
    const digits = reader.count();
    if (digits > 0)
      keys.set(
        position,
        Array.from({ length: digits }, () => readCiphertext(reader)),
      );
  }
  reader.end();
  return keys;
}

class Writer {
  readonly #view: DataView;
  readonly bytes: Uint8Array;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  put(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  byte(value: number): void {
    this.bytes[this.#at++] = value;
  }

  count(value: number): void {
    this.#view.setUint32(this.#at, value, true);
    this.#at += WORD_BYTES;
  }

  double(value: number): void {
    this.#view.setFloat64(this.#at, value, true);
    this.#at += WORD_BYTES;
  }

  words(words: Uint32Array): void {
    for (const word of words) this.count(word);
  }

  header(length: number): void {
    this.#view.setUint16(this.#at, MAGIC, true);
    this.bytes.set([HEADER_BYTES, ...VERSION], this.#at + 2);
    this.#view.setUint32(this.#at + 8, length, true);
    this.#at += HEADER_BYTES;
  }
}

const ciphertextBytes = ({ residues, seed }: LibraryCiphertext): number =>
  2 * HEADER_BYTES +
  ID_BYTES +
  FIELDS_BYTES +
  WORD_BYTES +
  residues.length * WORD_BYTES +
  (seed ? SEED_OBJECT_BYTES : 0);

function writeCiphertext(writer: Writer, ciphertext: LibraryCiphertext): void {
  const { id, degree, limbs, scale, residues, seed } = ciphertext;
  writer.header(ciphertextBytes(ciphertext));
  writer.put(id);
  writer.byte(1);
  writer.count(seed ? 2 : residues.length / (degree * limbs));
  writer.count(degree);
  writer.count(limbs);
  writer.double(scale);
  writer.count(1);
  writer.header(HEADER_BYTES + WORD_BYTES + residues.length * WORD_BYTES);
  writer.count(residues.length);
  writer.words(residues);
  if (!seed) return;
  writer.header(SEED_OBJECT_BYTES);
  writer.byte(BLAKE2XB);
  writer.put(seed);
}

export function formatCiphertext(ciphertext: LibraryCiphertext): Uint8Array {
  const writer = new Writer(ciphertextBytes(ciphertext));
  writeCiphertext(writer, ciphertext);
  return writer.bytes;
}

/** @param positions how many there are, held or not: 1 for relinearisation, N for automorphisms */
export function formatKeys(
  id: Uint8Array,
  positions: number,
  keys: Map<number, LibraryCiphertext[]>,
): Uint8Array {
  let length = HEADER_BYTES + ID_BYTES + WORD_BYTES + positions * WORD_BYTES;
  for (const digits of keys.values()) {
    for (const digit of digits) length += ciphertextBytes(digit);
  }
  const writer = new Writer(length);
  writer.header(length);
  writer.put(id);
  writer.count(positions);
  for (let position = 0; position < positions; position++) {
    const digits = keys.get(position) ?? [];
    writer.count(digits.length);
    for (const digit of digits) writeCiphertext(writer, digit);
  }
  return writer.bytes;
}

/**
 * A plaintext in NTT form: header ‖ id 32 ‖ count 8 ‖ scale 8 ‖ array.
 * @param residues [prime][N]
 */
export function formatPlaintext(id: Uint8Array, scale: number, residues: Uint32Array): Uint8Array {
  const length = 2 * HEADER_BYTES + ID_BYTES + 3 * WORD_BYTES + residues.length * WORD_BYTES;
  const writer = new Writer(length);
  writer.header(length);
  writer.put(id);
  writer.count(residues.length);
  writer.double(scale);
  writer.header(HEADER_BYTES + WORD_BYTES + residues.length * WORD_BYTES);
  writer.count(residues.length);
  writer.words(residues);
  return writer.bytes;
}
