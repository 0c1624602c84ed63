/**
 * Semi-honest, 1 of 3 corrupted: arithmetic on replicated shares modulo 2^24 (words of 32 bits whose
 * upper byte is noise). Resharing and dot products after Araki et al. 2016: one ring element per
 * party and output, whatever the length of the product.
 */
import type { Cost } from './binary.ts';
import type { Session, Shares } from './session.ts';

/** Bytes of a ring element on the wire. */
export const ELEMENT_BYTES = 3;
/** Bytes of a ring element in memory. */
export const WORD_BYTES = 4;

/** Rows of words are padded to a multiple of 8 values for the SIMD kernels. */
export const LANE_MULTIPLE = 8;

export const roundUp = (value: number, multiple: number): number =>
  Math.ceil(value / multiple) * multiple;

/** Cost of {@link reshare} of `count` values. */
export const reshareCost = (count: number): Cost => ({
  rounds: 1,
  bytes: ELEMENT_BYTES * roundUp(count, 4),
});

/** Adds this party's share of fresh zeros to `count` words, a multiple of 4. */
export function maskWords(session: Session, words: number, count: number): void {
  const { memory, kernels, zero } = session;
  const mark = memory.mark();
  const zeroA = zero.own.take(count * WORD_BYTES);
  const zeroB = zero.next.take(count * WORD_BYTES);
  kernels.addWords(words, zeroA, words, count);
  kernels.subtractWords(words, zeroB, words, count);
  memory.release(mark);
}

/**
 * Turns additive shares into replicated ones: every party holds one summand of each value in `out.a`;
 * afterwards `out` is a replicated, re-randomised sharing of the sums.
 *
 * @param count number of values; their memory must be padded to a multiple of 4
 */
export async function reshare(session: Session, out: Shares, count: number): Promise<void> {
  const { memory, kernels } = session;
  const padded = roundUp(count, 4);
  maskWords(session, out.a, padded);
  const mark = memory.mark();
  const length = padded * ELEMENT_BYTES;
  const send = memory.allocate(length);
  const receive = memory.allocate(length);
  kernels.pack24(out.a, send, padded);
  await session.exchange('previous', send, length, receive);
  kernels.unpack24(receive, out.b, padded);
  memory.release(mark);
}

/** A dense layer's parameters on shares. */
export interface DenseLayer {
  inputs: number;
  outputs: number;
  /** Row-major [outputs][inputs]: share a, and share a + share b. */
  weightsOwn: number;
  weightsSum: number;
  /** [outputs]: share a. */
  bias: number;
}

export const denseCost = (outputs: number, lanes: number): Cost => reshareCost(outputs * lanes);

/**
 * W x + bias for every lane. `x` is [inputs][lanes], `out` is [outputs][lanes]; `lanes` is a multiple
 * of {@link LANE_MULTIPLE}.
 */
export async function dense(
  session: Session,
  layer: DenseLayer,
  x: Shares,
  out: Shares,
  lanes: number,
): Promise<void> {
  const { weightsOwn, weightsSum, bias, inputs, outputs } = layer;
  session.kernels.dense(x.a, x.b, weightsOwn, weightsSum, bias, out.a, inputs, outputs, lanes);
  await reshare(session, out, outputs * lanes);
}

/** out = x - y */
export function subtract(session: Session, x: Shares, y: Shares, out: Shares, count: number): void {
  session.kernels.subtractWords(x.a, y.a, out.a, count);
  session.kernels.subtractWords(x.b, y.b, out.b, count);
}

/** Copies rows of `lanes` words to rows of `wide` words, zeros between. */
export function padRows(
  session: Session,
  x: Shares,
  rows: number,
  lanes: number,
  wide: number,
): Shares {
  const out = session.allocateZeros(rows * wide * WORD_BYTES);
  for (let n = 0; n < rows; n++) {
    const [from, to] = [n * lanes * WORD_BYTES, n * wide * WORD_BYTES];
    for (const share of ['a', 'b'] as const) {
      session.memory
        .bytes(out[share] + to, lanes * WORD_BYTES)
        .set(session.memory.bytes(x[share] + from, lanes * WORD_BYTES));
    }
  }
  return out;
}
