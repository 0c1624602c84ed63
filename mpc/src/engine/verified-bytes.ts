/**
 * Malicious with abort, 1 of 3 corrupted, once the gates are verified and the neighbours agree: shared
 * bytes to ring elements by {@link bitsToRing} (ABY3, Mohassel and Rindal, CCS 2018, section 5.4). 7
 * rounds and 30 ANDs, 37 products to advise on ahead, and 16 bits to open; in wide planes 10 rounds and 23 ANDs.
 */
import { planeBytes } from './adder.ts';
import type { Cost } from './binary.ts';
import type { PartyIndex } from './channel.ts';
import { planeWords } from './roles.ts';
import type { Session, Shares } from './session.ts';
import { bitsToRing, bitsToRingCost, type RingMask } from './to-ring.ts';

/** Bits of a value: those of the mask that it takes. */
export const BYTE_BITS = 8;

export const bytesToRingVerifiedCost = (index: PartyIndex, samples: number, lanes: number): Cost =>
  bitsToRingCost(index, samples * lanes, BYTE_BITS);

/**
 * Shared bytes to ring elements 0..255, in place of the mask's words. Byte s of lane l is byte s % 8 of
 * the 64-bit word `words[s >> 3][l]`; the result is [samples][lanes].
 *
 * @param mask for samples * lanes values of {@link BYTE_BITS} bits
 */
export async function bytesToRingVerified(
  session: Session,
  words: Shares,
  samples: number,
  lanes: number,
  mask: RingMask,
): Promise<Shares> {
  const { memory, kernels } = session;
  const count = samples * lanes;
  const mark = memory.mark();
  const planes = session.allocate(BYTE_BITS * planeBytes(count));
  kernels.planesFromBytes(words.a, samples, lanes, planes.a, planeWords(count));
  kernels.planesFromBytes(words.b, samples, lanes, planes.b, planeWords(count));
  const out = await bitsToRing(session, planes, mask, BYTE_BITS, count);
  memory.release(mark);
  return out;
}
