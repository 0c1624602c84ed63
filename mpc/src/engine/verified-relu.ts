/**
 * Malicious with abort, 1 of 3 corrupted, once the gates are verified and the neighbours agree: ReLU
 * with exact truncation, max(0, z) >> shift, in binary. Bits by {@link ringBits}, all zeroed where the
 * sign is set, then {@link bitsToRing} (ABY3, Mohassel and Rindal, CCS 2018, sections 5.3 and 5.4). For a
 * shift of 8: 18 rounds, 113 ANDs, 23 products to advise on and 30 ahead, and 16 bits to open; in wide
 * planes 42 rounds and 61 ANDs.
 */
import { RING_BITS } from '../model.ts';
import { planeBytes } from './adder.ts';
import { and, andCost, not, sumCosts, type AndGate, type Cost } from './binary.ts';
import { row } from './carry.ts';
import type { PartyIndex } from './channel.ts';
import { ringBits, ringBitsCost } from './ring-bits.ts';
import type { Session, Shares } from './session.ts';
import { bitsToRing, bitsToRingCost, type RingMask } from './to-ring.ts';

/** Bits of a result: those of the mask that it takes. */
export const reluBits = (shift: number): number => RING_BITS - 1 - shift;

export function reluVerifiedCost(index: PartyIndex, count: number, shift: number): Cost {
  return sumCosts(
    ringBitsCost(index, count, shift),
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
  const bits = session.allocate((RING_BITS - shift) * plane);
  await ringBits(session, z, count, shift, bits);
  const sign = row(bits, reluBits(shift), plane);
  not(session, sign, plane);
  const positive = session.allocate(reluBits(shift) * plane);
  const gates: AndGate[] = [];
  for (let j = 0; j < reluBits(shift); j++) {
    gates.push({ x: row(bits, j, plane), y: sign, out: row(positive, j, plane) });
  }
  await and(session, gates, plane);
  const out = await bitsToRing(session, positive, mask, reluBits(shift), count);
  memory.release(mark);
  return out;
}
