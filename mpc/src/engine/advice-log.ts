/**
 * Products of bits that one party, the adviser, knows whole, kept until they are verified: eight streams. The
 * adviser's two neighbours know each factor, and the product, in two parts. Every party advises on some and is
 * a neighbour to the adviser of others.
 */
import { sliceBytes, SLICES, type Factors, type ProductLog } from './gate-log.ts';
import type { Session } from './session.ts';

/** Who advises, as this party sees it. */
export type Adviser = 'own' | 'previous' | 'next';

export class AdviceLog implements ProductLog {
  readonly x: Factors;
  readonly y: Factors;
  readonly claims: ProductLog['claims'];
  readonly sliceBytes: number;
  readonly #session: Session;
  readonly #stride: number;
  /** Bytes of products so far, by adviser. */
  readonly #used: Record<Adviser, number> = { own: 0, previous: 0, next: 0 };

  /** @param capacity bytes of all products on which a party advises */
  constructor(session: Session, capacity: number) {
    this.#session = session;
    this.sliceBytes = sliceBytes(capacity);
    const stride = SLICES * this.sliceBytes;
    this.#stride = stride;
    const base = session.memory.allocate(8 * stride);
    this.x = { a: base, b: base + stride, own: base + 2 * stride };
    this.y = { a: base + 3 * stride, b: base + 4 * stride, own: base + 5 * stride };
    this.claims = { previous: base + 6 * stride, next: base + 7 * stride };
  }

  /** Records `length` bytes of factors on which this party advises. */
  recordOwn(x: number, y: number, length: number): void {
    const { memory } = this.#session;
    const at = this.#reserve('own', length);
    memory.copy(x, this.x.own + at, length);
    memory.copy(y, this.y.own + at, length);
  }

  /**
   * Records what this party knows of `length` bytes of products: a part of each factor and of the product.
   */
  record(
    adviser: Exclude<Adviser, 'own'>,
    x: number,
    y: number,
    product: number,
    length: number,
  ): void {
    const { memory } = this.#session;
    const at = this.#reserve(adviser, length);
    const part = adviser === 'previous' ? 'a' : 'b';
    memory.copy(x, this.x[part] + at, length);
    memory.copy(y, this.y[part] + at, length);
    memory.copy(product, this.claims[adviser] + at, length);
  }

  /** Bytes of products so far on which a party advises, the most of the three. */
  get used(): number {
    return Math.max(...Object.values(this.#used));
  }

  /** Fills the rest with products of zeros. */
  finish(): void {
    const { x, y, claims } = this;
    const streams: Record<Adviser, number[]> = {
      own: [x.own, y.own],
      previous: [x.a, y.a, claims.previous],
      next: [x.b, y.b, claims.next],
    };
    for (const adviser of ['own', 'previous', 'next'] as const) {
      const used = this.#used[adviser];
      for (const stream of streams[adviser]) {
        this.#session.memory.bytes(stream + used, this.#stride - used).fill(0);
      }
    }
  }

  #reserve(adviser: Adviser, length: number): number {
    const at = this.#used[adviser];
    if (at + length > this.#stride) throw new RangeError('more advice than declared');
    this.#used[adviser] = at + length;
    return at;
  }
}
