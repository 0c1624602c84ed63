/**
 * Malicious with abort, 1 of 3 corrupted, once the gates are verified and the neighbours agree: ReLU
 * with exact truncation, max(0, z) >> shift, in binary. Bits by {@link ringBits}, all zeroed where the
 * sign is set, then {@link bitsToRing} (ABY3, Mohassel and Rindal, CCS 2018, sections 5.3 and 5.4). For a
 * shift of 8: 17 rounds and 136 ANDs, 30 ahead, and 16 bits to open.
 */
import { RING_BITS } from '../model.ts';
import { evaluate, planeBytes, ringBits, ringBitsCost, type Circuit } from './adder.ts';
import { andCost, not, sumCosts, type AndGate, type Cost } from './binary.ts';
import { row } from './carry.ts';
import type { PartyIndex } from './channel.ts';
import type { Session, Shares } from './session.ts';
import { bitsToRing, bitsToRingCost, type RingMask } from './to-ring.ts';

/** Bits of a result: those of the mask that it takes. */
export const reluBits = (shift: number): number => RING_BITS - 1 - shift;

export function reluVerifiedCost(index: PartyIndex, count: number, shift: number): Cost {
  return sumCosts(
    ringBitsCost(count, shift),
    andCost(reluBits(shift) * planeBytes(count)),
    bitsToRingCost(index, count, reluBits(shift)),
  );
}

/**
 * `count` values of 24 bits; returns as many, in place of the mask's words.
 *
 * @param mask for values of {@link reluBits} bits
 */
export async function reluTruncateVerified(
  session: Session,
  z: Shares,
  count: number,
  shift: number,
  mask: RingMask,
): Promise<Shares> {
  const { memory } = session;
  const plane = planeBytes(count);
  const mark = memory.mark();
  const positive = session.allocate(reluBits(shift) * plane);
  await evaluate(session, [positivePart(session, z, count, shift, positive)], plane);
  const out = await bitsToRing(session, positive, mask, reluBits(shift), count);
  memory.release(mark);
  return out;
}

function* positivePart(
  session: Session,
  z: Shares,
  count: number,
  shift: number,
  out: Shares,
): Circuit<void> {
  const plane = planeBytes(count);
  const bits = session.allocate((RING_BITS - shift) * plane);
  yield* ringBits(session, z, count, shift, bits);
  const sign = row(bits, reluBits(shift), plane);
  not(session, sign, plane);
  const gates: AndGate[] = [];
  for (let j = 0; j < reluBits(shift); j++) {
    gates.push({ x: row(bits, j, plane), y: sign, out: row(out, j, plane) });
  }
  yield gates;
}
