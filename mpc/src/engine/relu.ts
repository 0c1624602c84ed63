/**
 * Semi-honest, 1 of 3 corrupted: ReLU with exact truncation, max(0, z) >> shift. The bits come from
 * {@link truncationBits}, the products from {@link combine}; see there for papers.
 *
 * With z = x + y modulo 2^24, x known to one party and y to the other two, and z >= 0:
 * z >> shift = (x >> shift) + (y >> shift) + lowCarry - wrap 2^(24 - shift). So the result is exact,
 * and equal to the plaintext twin bit for bit.
 */
import { RING_BITS } from '../model.ts';
import { and, andCost, not, sumCosts, type Cost } from './binary.ts';
import { truncationBits, truncationCost } from './carry.ts';
import { planeWords } from './roles.ts';
import { combine, combineCost } from './convert.ts';
import { WORD_BYTES } from './ring.ts';
import type { PartyIndex } from './channel.ts';
import type { Session, Shares } from './session.ts';

export function reluCost(index: PartyIndex, count: number, shift: number): Cost {
  return sumCosts(
    truncationCost(index, count, shift),
    andCost(2 * planeWords(count) * WORD_BYTES),
    combineCost(index, count, ['select', 'bit', 'bit']),
  );
}

/** `count` values of 24 bits; returns as many. */
export async function reluTruncate(
  session: Session,
  z: Shares,
  count: number,
  shift: number,
): Promise<Shares> {
  const plane = planeWords(count) * WORD_BYTES;
  const { sign, lowCarry, wrap } = await truncationBits(session, z, count, shift);
  not(session, sign, plane);
  const positive = sign;
  const carry = session.allocate(plane);
  const wrapped = session.allocate(plane);
  await and(
    session,
    [
      { x: positive, y: lowCarry, out: carry },
      { x: positive, y: wrap, out: wrapped },
    ],
    plane,
  );
  return combine(
    session,
    [
      { kind: 'select', bit: positive, value: z, shift, sign: 1 },
      { kind: 'bit', bit: carry, weight: 1 },
      { kind: 'bit', bit: wrapped, weight: -(2 ** (RING_BITS - shift)) },
    ],
    count,
  );
}
