/**
 * Malicious with abort, 1 of 3 corrupted, once the gates are verified: the bits of an arithmetic sharing
 * by addition in binary (ABY3, Mohassel and Rindal, CCS 2018, section 5.3), all of it {@link and} gates
 * and XOR. Each share is a number that its two holders know in binary; a carry-save adder makes two
 * numbers of the three, and a carry-increment adder (Tyagi, "A reduced-area scheme for carry-select
 * adders", IEEE Transactions on Computers 1993) one of the two. It needs fewer gates than a prefix tree
 * (Brent and Kung 1982). For 24 bits: 1 + 7 rounds and 23 + 57 ANDs, 23 + 42 for the sign alone. Of many
 * values at a time, where gates cost more than rounds, carries ripple: 1 + 22 rounds and 23 + 22 ANDs.
 */
import { RING_BITS } from '../model.ts';
import { and, andCost, gatesCost, sumCosts, xor, type AndGate, type Cost } from './binary.ts';
import { row } from './carry.ts';
import { planeWords } from './roles.ts';
import { WORD_BYTES } from './ring.ts';
import type { Session, Shares } from './session.ts';

/** Yields the gates of each of its rounds, and goes on when they are computed. */
export type Circuit<T> = Generator<AndGate[], T, undefined>;

/** Evaluates circuits side by side, one {@link and} per round; every row has `length` bytes. */
export async function evaluate<T>(
  session: Session,
  circuits: Circuit<T>[],
  length: number,
): Promise<T[]> {
  let steps = circuits.map((circuit) => circuit.next());
  while (steps.some(({ done }) => !done)) {
    const gates = steps.flatMap((step) => (step.done ? [] : step.value));
    await and(session, gates, length);
    steps = steps.map((step, i) => (step.done ? step : circuits[i].next()));
  }
  return steps.map(({ value }) => value as T);
}

/** Cost of circuits side by side. */
export const besideCosts = (...costs: Cost[]): Cost => ({
  ...sumCosts(...costs),
  rounds: Math.max(...costs.map(({ rounds }) => rounds)),
});

/** Bytes of a plane over `count` values. */
export const planeBytes = (count: number): number => planeWords(count) * WORD_BYTES;

/**
 * The three arithmetic shares of each value as numbers shared in binary, by index of the share: `bits`
 * rows of one plane each. No communication: of the three XOR shares of number i, share i is the number
 * and the others are zero.
 */
export function shareBits(
  session: Session,
  z: Shares,
  count: number,
  bits: number,
): [Shares, Shares, Shares] {
  const { memory, kernels, index } = session;
  const words = planeWords(count);
  const length = bits * planeBytes(count);
  const zero = memory.allocateZeros(length);
  const planes = (values: number): number => {
    const pointer = memory.allocate(length);
    kernels.planesFromWords(values, count, 0, words, bits, pointer, words);
    return pointer;
  };
  const numbers: Shares[] = [];
  numbers[index] = { a: planes(z.a), b: zero };
  numbers[(index + 1) % 3] = { a: zero, b: planes(z.b) };
  numbers[(index + 2) % 3] = { a: zero, b: zero };
  return numbers as [Shares, Shares, Shares];
}

export const carrySaveCost = (bits: number, plane: number): Cost => andCost((bits - 1) * plane);

/** Two numbers with the same sum modulo 2^bits as three; position 0 of `carry` is zero. */
export function* carrySave(
  session: Session,
  [x, y, z]: [Shares, Shares, Shares],
  bits: number,
  plane: number,
): Circuit<{ sum: Shares; carry: Shares }> {
  const length = bits * plane;
  const sum = session.allocate(length);
  const carry = session.allocateZeros(length);
  const xz = session.allocate(length);
  const yz = session.allocate(length);
  xor(session, x, z, xz, length);
  xor(session, y, z, yz, length);
  xor(session, xz, y, sum, length);
  // The majority of three bits is ((x ^ z) & (y ^ z)) ^ z.
  const gates: AndGate[] = [];
  for (let j = 0; j + 1 < bits; j++) {
    gates.push({ x: row(xz, j, plane), y: row(yz, j, plane), out: row(carry, j + 1, plane) });
  }
  yield gates;
  const upper = row(carry, 1, plane);
  xor(session, upper, z, upper, length - plane);
  return { sum, carry };
}

/** Which carries of an addition are wanted. */
export interface CarryRange {
  /** Lowest position where both summands may be non-zero: no carry comes into it. */
  first: number;
  /** Lowest and highest position whose incoming carry is wanted. */
  from: number;
  to: number;
}

/** Plane from which on carries ripple: about what three gates more cost as much as one round, bytes. */
export const RIPPLE_PLANE_BYTES = 2048;

/** Positions first <= j < last. */
interface Block {
  first: number;
  last: number;
}

/**
 * Cuts positions first <= j < to into blocks. The first one's carries ripple; every later block is
 * ready when the carry into it is, one round after that into the block before. As few rounds as
 * possible, and for these the longest first block, whose positions cost least; in wide planes one block.
 */
function blocks({ first, to }: CarryRange, plane: number): Block[] {
  const count = to - first;
  if (count <= 0) return [];
  if (plane >= RIPPLE_PLANE_BYTES) return [{ first, last: to }];
  for (let rounds = 1; ; rounds++) {
    for (let size = rounds; size > 0; size--) {
      const later = rounds - size;
      if (size + later * size + (later * (later - 1)) / 2 < count) continue;
      const result: Block[] = [];
      for (let at = first, next = size; at < to;) {
        const last = Math.min(to, at + next);
        if (result.length > 0) next++;
        result.push({ first: at, last });
        at = last;
      }
      return result;
    }
  }
}

const size = ({ first, last }: Block): number => last - first;

/** Whether the carry out of position `j` of a block has to be right. */
const isWanted = (j: number, { last }: Block, { from }: CarryRange): boolean =>
  j + 1 === last || j + 1 >= from;

export function carriesCost(range: CarryRange, plane: number): Cost {
  const parts = blocks(range, plane);
  if (parts.length === 0) return gatesCost(0, 0);
  let gates = 0;
  parts.forEach((block, k) => {
    gates += size(block);
    if (k === 0) return;
    gates += size(block) - 1;
    for (let j = block.first; j < block.last; j++) if (isWanted(j, block, range)) gates++;
  });
  return gatesCost(size(parts[0]) + parts.length - 1, gates * plane);
}

/**
 * Carries of x + y: row j of the result is the carry into position j, right for range.from <= j <=
 * range.to.
 *
 * Within a block carries ripple as if none came in, and so does the AND of the propagate bits; where it
 * is one and a carry does come in, it flips the block's carry.
 */
export function* carries(
  session: Session,
  x: Shares,
  y: Shares,
  range: CarryRange,
  plane: number,
): Circuit<Shares> {
  const rows = range.to * plane;
  const carry = session.allocateZeros(rows + plane);
  const [propagate, prefix, xc, yc, flips] = Array.from({ length: 5 }, () =>
    session.allocate(rows),
  );
  const at = (rows: Shares, j: number): Shares => row(rows, j, plane);
  const add = (rows: Shares, j: number, addend: Shares, i: number, out = rows): void =>
    xor(session, at(rows, j), at(addend, i), at(out, j), plane);
  xor(session, x, y, propagate, rows);

  const parts = blocks(range, plane);
  const rounds = parts.length === 0 ? 0 : size(parts[0]) + parts.length - 1;
  for (let round = 0; round < rounds; round++) {
    const gates: AndGate[] = [];
    const rippled: number[] = [];
    const flipped: number[] = [];
    parts.forEach((block, k) => {
      const j = block.first + round;
      const incoming = at(carry, block.first);
      const open = k > 0;
      const through = (i: number): Shares => at(i === block.first ? propagate : prefix, i);
      if (round === 0) {
        gates.push({ x: at(x, j), y: at(y, j), out: at(carry, j + 1) });
      } else if (j < block.last) {
        add(x, j, carry, j, xc);
        add(y, j, carry, j, yc);
        gates.push({ x: at(xc, j), y: at(yc, j), out: at(carry, j + 1) });
        rippled.push(j);
        if (open) gates.push({ x: through(j - 1), y: at(propagate, j), out: at(prefix, j) });
      }
      if (open && round === size(parts[0]) + k - 1) {
        for (let i = block.first; i < block.last; i++) {
          if (!isWanted(i, block, range)) continue;
          gates.push({ x: through(i), y: incoming, out: at(flips, i) });
          flipped.push(i);
        }
      }
    });
    yield gates;
    for (const j of rippled) add(carry, j + 1, carry, j);
    for (const i of flipped) add(carry, i + 1, flips, i);
  }
  return carry;
}

/** Which bits of a sum are wanted, modulo 2^to. */
export interface SumRange {
  /** Lowest position where both summands may be non-zero. */
  first: number;
  /** Positions from <= j < to. */
  from: number;
  to: number;
}

export const additionCost = ({ first, from, to }: SumRange, plane: number): Cost =>
  carriesCost({ first, from, to: to - 1 }, plane);

/** Bits from <= j < to of x + y; `out` begins with bit `from`. */
export function* addition(
  session: Session,
  x: Shares,
  y: Shares,
  { first, from, to }: SumRange,
  plane: number,
  out: Shares,
): Circuit<void> {
  const carry = yield* carries(session, x, y, { first, from, to: to - 1 }, plane);
  const length = (to - from) * plane;
  xor(session, row(x, from, plane), row(y, from, plane), out, length);
  xor(session, out, row(carry, from, plane), out, length);
}

/** After a carry-save adder position 0 has one bit. */
const sumRange = (from: number): SumRange => ({ first: 1, from, to: RING_BITS });

export const ringBitsCost = (count: number, from: number): Cost =>
  sumCosts(
    carrySaveCost(RING_BITS, planeBytes(count)),
    additionCost(sumRange(from), planeBytes(count)),
  );

/** Bits from <= j < 24 of `count` ring elements; `out` begins with bit `from`. */
export function* ringBits(
  session: Session,
  z: Shares,
  count: number,
  from: number,
  out: Shares,
): Circuit<void> {
  const plane = planeBytes(count);
  const numbers = shareBits(session, z, count, RING_BITS);
  const { sum, carry } = yield* carrySave(session, numbers, RING_BITS, plane);
  yield* addition(session, sum, carry, sumRange(from), plane, out);
}
