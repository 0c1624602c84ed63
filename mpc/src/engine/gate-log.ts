/**
 * The AND gates of a run, kept until they are verified: six streams of bits. Of z = x y, which party i
 * computes as w = x_i y_i + x_i y_(i+1) + x_(i+1) y_i + a_i + a_(i+1), with a_i known to parties i - 1 and i,
 * it keeps its shares x_i, x_(i+1), y_i, y_(i+1); and of its neighbours' products what it can say of them:
 * x_i y_i + a_i of the previous party's, and w + a_(i+1), w received, of the next party's.
 */
import type { Session, Shares } from './session.ts';

/** The proof takes the log as so many slices. */
export const SLICES = 128;
/** Kernels read a cache line of each slice at a time. */
const SLICE_MULTIPLE = 64;
/** Slices that begin in the same sets of a first-level cache would evict each other. */
const CONFLICT_BYTES = 1024;

/** Bytes of a slice of a log of `length` bytes of products. */
export function sliceBytes(length: number): number {
  const bytes = Math.ceil(length / SLICES / SLICE_MULTIPLE) * SLICE_MULTIPLE;
  return bytes > 0 && bytes % CONFLICT_BYTES === 0 ? bytes + SLICE_MULTIPLE : bytes;
}

/** Pointers to one factor of each product, or to what becomes of it in a proof. */
export interface Factors {
  /** What this party knows of those of the previous party. */
  a: number;
  /** What this party knows of those of the next party. */
  b: number;
  /** This party's own; 0 where they are the sum of the two above. */
  own: number;
}

/** Products of bits that each party proves to its neighbours, who know the factors and the product in two parts. */
export interface ProductLog {
  x: Factors;
  y: Factors;
  /** What is known of the products of the previous and of the next party. */
  claims: { previous: number; next: number };
  sliceBytes: number;
}

export class GateLog implements ProductLog {
  readonly x: Factors;
  readonly y: Factors;
  readonly claims: ProductLog['claims'];
  readonly sliceBytes: number;
  readonly #session: Session;
  readonly #stride: number;
  /** Bytes of gates of which operands, and products, are recorded. */
  #operands = 0;
  #products = 0;

  /** @param capacity bytes of all gates that will be recorded */
  constructor(session: Session, capacity: number) {
    this.#session = session;
    this.sliceBytes = sliceBytes(capacity);
    const stride = SLICES * this.sliceBytes;
    this.#stride = stride;
    const base = session.memory.allocate(6 * stride);
    this.x = { a: base, b: base + stride, own: 0 };
    this.y = { a: base + 2 * stride, b: base + 3 * stride, own: 0 };
    this.claims = { previous: base + 4 * stride, next: base + 5 * stride };
  }

  /**
   * Records x y, or (not x) y, for `length` bytes; {@link GateLog.received} completes it.
   * @param zeros what masks this party's product: known to the previous, and to the next party
   */
  record(x: Shares, y: Shares, zeros: Shares, length: number, complementX = false): void {
    if (this.#operands + length > this.#stride) throw new RangeError('more gates than declared');
    const { kernels, constantMask } = this.#session;
    kernels.recordGates(
      x.a,
      x.b,
      y.a,
      y.b,
      zeros.a,
      zeros.b,
      complementX ? constantMask.a : 0,
      complementX ? constantMask.b : 0,
      this.x.a + this.#operands,
      this.#stride,
      length,
    );
    this.#operands += length;
  }

  /** The next party's products of the gates that were recorded last. */
  received(products: number, length: number): void {
    const at = this.claims.next + this.#products;
    this.#session.kernels.xorBytes(at, products, at, length);
    this.#products += length;
  }

  /** Bytes of gates so far. */
  get used(): number {
    return this.#products;
  }

  /** Fills the rest with gates of zeros. */
  finish(): void {
    const { x, y, claims } = this;
    for (const stream of [x.a, x.b, y.a, y.b, claims.previous, claims.next]) {
      this.#session.memory.bytes(stream + this.#operands, this.#stride - this.#operands).fill(0);
    }
  }
}
