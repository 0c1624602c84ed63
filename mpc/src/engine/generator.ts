/**
 * Pseudo-random streams: AES-128 in counter mode (NIST SP 800-38A) from node:crypto, which uses the
 * processor's AES instructions, written straight into kernel memory.
 */
import { createCipheriv, type Cipher } from 'node:crypto';
import type { Memory } from './memory.ts';

export const SEED_BYTES = 16;

/** Bytes made at once: enough to make the call's cost vanish for single heartbeats. */
const BLOCK_BYTES = 16_384;
const zeros = Buffer.alloc(1 << 20);

/**
 * A stream that two parties hold with the same seed. Both take the same lengths in the same order, so
 * both see the same bytes.
 */
export class Generator {
  readonly #cipher: Cipher;
  readonly #memory: Memory;
  readonly #buffer: number;
  #offset = BLOCK_BYTES;

  /** @param purpose separates the streams of one seed: 0 to 255 */
  constructor(memory: Memory, seed: Uint8Array, purpose: number) {
    if (seed.length !== SEED_BYTES) throw new RangeError(`a seed has ${SEED_BYTES} bytes`);
    const counter = new Uint8Array(16);
    counter[0] = purpose;
    this.#cipher = createCipheriv('aes-128-ctr', seed, counter);
    this.#memory = memory;
    this.#buffer = memory.allocate(BLOCK_BYTES);
  }

  /** Pointer to the next `length` bytes: valid until the next call, or until a release. */
  take(length: number): number {
    if (length > BLOCK_BYTES) {
      const pointer = this.#memory.allocate(length);
      this.#fill(pointer, length);
      return pointer;
    }
    if (this.#offset + length > BLOCK_BYTES) {
      this.#fill(this.#buffer, BLOCK_BYTES);
      this.#offset = 0;
    }
    const pointer = this.#buffer + this.#offset;
    this.#offset += (length + 15) & ~15;
    return pointer;
  }

  #fill(pointer: number, length: number): void {
    for (let done = 0; done < length; done += zeros.length) {
      const part = Math.min(zeros.length, length - done);
      const stream = this.#cipher.update(part === zeros.length ? zeros : zeros.subarray(0, part));
      this.#memory.bytes(pointer + done, part).set(stream);
    }
  }
}
