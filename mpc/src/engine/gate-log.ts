/** The AND gates of a run, kept until they are verified: six streams of bits. */
import type { Session, Shares } from './session.ts';

/** The gates are cut into pages of so many units of 64 bits; a permutation of a page fits a cache. */
export const PAGE_UNITS = 512;
export const UNIT_BYTES = 8;
export const PAGE_BYTES = PAGE_UNITS * UNIT_BYTES;

export class GateLog {
  readonly x: Shares;
  readonly y: Shares;
  readonly z: Shares;
  readonly pages: number;
  readonly #session: Session;
  #used = 0;

  /** @param capacity bytes of each operand: of all gates that will be recorded */
  constructor(session: Session, capacity: number) {
    this.#session = session;
    this.pages = Math.ceil(capacity / PAGE_BYTES);
    this.x = session.allocate(this.pages * PAGE_BYTES);
    this.y = session.allocate(this.pages * PAGE_BYTES);
    this.z = session.allocate(this.pages * PAGE_BYTES);
  }

  /** Records z = x y for `length` bytes, or z = (not x) y. */
  record(x: Shares, y: Shares, z: Shares, length: number, complementX = false): void {
    if (this.#used + length > this.pages * PAGE_BYTES)
      throw new RangeError('more gates than declared');
    const { kernels, constantMask } = this.#session;
    for (const share of ['a', 'b'] as const) {
      const at = this.#used;
      kernels.copyXor(x[share], this.x[share] + at, length, complementX ? constantMask[share] : 0);
      kernels.copyXor(y[share], this.y[share] + at, length, 0);
      kernels.copyXor(z[share], this.z[share] + at, length, 0);
    }
    this.#used += length;
  }

  /** Bytes of each operand so far. */
  get used(): number {
    return this.#used;
  }

  /** Fills the rest of the last page with gates of zeros. */
  finish(): void {
    const { memory } = this.#session;
    const rest = this.pages * PAGE_BYTES - this.#used;
    for (const stream of [this.x, this.y, this.z]) {
      memory.bytes(stream.a + this.#used, rest).fill(0);
      memory.bytes(stream.b + this.#used, rest).fill(0);
    }
    this.#used += rest;
  }
}
