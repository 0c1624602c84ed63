/**
 * Malicious with abort, 1 of 3 corrupted, once gates and advice are verified: the bits of an arithmetic
 * sharing (ABY3, Mohassel and Rindal, CCS 2018, section 5.3). Each share is a number that its two holders
 * know. One party holds two of them and gives {@link advise} on the bits of their sum; the third is added
 * by an {@link addition} in binary. For 24 bits: 1 + 8 rounds, 23 products to advise on and 56 ANDs; in
 * wide planes 1 + 23 rounds and 23 ANDs.
 */
import { RING_BITS } from '../model.ts';
import { addition, additionCost, evaluate, planeBytes, type SumRange } from './adder.ts';
import { advise, adviceSegments, adviseCost, allocateSum } from './advice.ts';
import { sumCosts, type Cost } from './binary.ts';
import type { PartyIndex } from './channel.ts';
import { planeWords, type Segment } from './roles.ts';
import type { Session, Shares } from './session.ts';

const range = (from: number): SumRange => ({ first: 0, from, to: RING_BITS });

/** Carries of the advised sum do not need prefixes. */
const NO_PREFIXES = RING_BITS;

export const ringBitsCost = (index: PartyIndex, count: number, from: number): Required<Cost> =>
  sumCosts(
    adviseCost(index, [{ count, width: NO_PREFIXES }]),
    additionCost(range(from), planeBytes(count)),
  );

/** Bits from <= j < 24 of `count` ring elements; `out` begins with bit `from`. */
export async function ringBits(
  session: Session,
  z: Shares,
  count: number,
  from: number,
  out: Shares,
): Promise<void> {
  const mark = session.memory.mark();
  const shape = { count, width: NO_PREFIXES };
  const sum = allocateSum(session, shape);
  await advise(session, [{ words: z, ...shape, out: sum }]);
  const third = thirdShare(session, z, count);
  const plane = planeBytes(count);
  const circuit = addition(session, sum.planes, third, range(from), plane, out);
  await evaluate(session, [circuit], plane);
  session.memory.release(mark);
}

/** The share that the adviser lacks, in binary: one of its XOR shares is the number, the others are zero. */
function thirdShare(session: Session, z: Shares, count: number): Shares {
  const words = planeWords(count);
  const planes = session.allocateZeros(RING_BITS * planeBytes(count));
  const { helper, receiver } = adviceSegments(session.index, words);
  const place = (values: number, { first, last }: Segment, target: number): void =>
    session.kernels.planesFromWords(values, count, first, last, RING_BITS, target, words);
  place(z.a, helper, planes.a);
  place(z.b, receiver, planes.b);
  return planes;
}
