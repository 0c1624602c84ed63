/**
 * Semi-honest, 1 of 3 corrupted: carries of the addition that hides in an arithmetic sharing. One
 * party knows the sum of two of the three shares, the other two both know the third; their sum modulo
 * 2^24 is the secret. The party shares its bits (one round), then a carry-lookahead tree runs on bit
 * planes (Brent and Kung 1982). The plane arithmetic is {@link and} of Araki et al. 2016.
 */
import { RING_BITS } from '../model.ts';
import { and, andCost, sumCosts, xor, type AndGate, type Cost } from './binary.ts';
import type { PartyIndex } from './channel.ts';
import { holderCost, holderRound, planeWords, segments, type Segment } from './roles.ts';
import { WORD_BYTES } from './ring.ts';
import type { Session, Shares } from './session.ts';

/** Index of the sign bit's plane. */
const SIGN = RING_BITS - 1;

/** Row `j` of consecutive rows of `length` bytes. */
export const row = ({ a, b }: Shares, j: number, length: number): Shares => ({
  a: a + j * length,
  b: b + j * length,
});

/** The two summands as planes of shared bits: RING_BITS rows of one plane each. */
interface Summands {
  /** Generate, x & y. */
  generate: Shares;
  /** Propagate, x ^ y. */
  propagate: Shares;
}

const summandsCost = (index: PartyIndex, count: number): Cost => {
  const words = planeWords(count);
  return sumCosts(
    holderCost(segments(index, words), WORD_BYTES * RING_BITS),
    andCost(RING_BITS * words * WORD_BYTES),
  );
};

async function summands(session: Session, z: Shares, count: number): Promise<Summands> {
  const { memory, kernels, pair } = session;
  const words = planeWords(count);
  const plane = words * WORD_BYTES;
  const x = session.allocateZeros(RING_BITS * plane);
  const y = session.allocateZeros(RING_BITS * plane);
  const generate = session.allocate(RING_BITS * plane);
  const mark = memory.mark();

  const parts = segments(session.index, words);
  const { holder, receiver, helper } = parts;
  const size = ({ first, last }: Segment) => (last - first) * WORD_BYTES;
  const perWord = WORD_BYTES * RING_BITS;
  const send = memory.allocate(size(holder) * RING_BITS);
  const received = memory.allocate(size(receiver) * RING_BITS);

  // Bits of x are shared as (r, x ^ r, 0), with r known to holder and helper.
  const mask = pair.own.take(size(holder) * RING_BITS);
  const helperMask = pair.next.take(size(helper) * RING_BITS);
  const known = memory.allocate(RING_BITS * plane);
  const sum = memory.allocate(roundTo4(count) * WORD_BYTES);
  kernels.addWords(z.a, z.b, sum, roundTo4(count));
  kernels.planesFromWords(sum, count, holder.first, holder.last, RING_BITS, known, words);
  kernels.planesFromWords(z.b, count, receiver.first, receiver.last, RING_BITS, y.b, words);
  kernels.planesFromWords(z.a, count, helper.first, helper.last, RING_BITS, y.a, words);
  const copy = (to: number, from: number, length: number) => memory.copy(from, to, length);
  for (let j = 0; j < RING_BITS; j++) {
    const start = j * plane + holder.first * WORD_BYTES;
    const length = size(holder);
    copy(x.a + start, mask + j * length, length);
    kernels.xorBytes(known + start, mask + j * length, x.b + start, length);
    copy(send + j * length, x.b + start, length);
    const helperLength = size(helper);
    copy(x.b + j * plane + helper.first * WORD_BYTES, helperMask + j * helperLength, helperLength);
  }
  await holderRound(session, parts, perWord, send, received);
  for (let j = 0; j < RING_BITS; j++) {
    const length = size(receiver);
    copy(x.a + j * plane + receiver.first * WORD_BYTES, received + j * length, length);
  }
  memory.release(mark);

  await and(session, [{ x, y, out: generate }], RING_BITS * plane);
  xor(session, x, y, x, RING_BITS * plane);
  return { generate, propagate: x };
}

const roundTo4 = (count: number): number => (count + 3) & ~3;

/** Carry out of a run of bit positions as a function of the carry into it: g ^ (p & carry). */
interface Group {
  g: Shares;
  /** Absent where the carry in is known to be zero. */
  p?: Shares;
}

/** Rounds of a tree over `bits` positions. */
const treeDepth = (bits: number): number => Math.ceil(Math.log2(bits));

/** AND gates of a tree over `bits` positions; `open` when a carry may come in. */
const treeGates = (bits: number, open: boolean): number =>
  open ? 2 * (bits - 1) : 2 * (bits - 1) - treeDepth(bits);

/**
 * Merges neighbouring groups, all trees side by side, until each is one group.
 * Costs the deepest tree's rounds.
 */
async function mergeTrees(session: Session, trees: Group[][], plane: number): Promise<Group[]> {
  let level = trees;
  while (level.some((groups) => groups.length > 1)) {
    const gates: AndGate[] = [];
    const sums: { target: Shares; addend: Shares }[] = [];
    level = level.map((groups) => {
      const merged: Group[] = [];
      for (let i = 0; i < groups.length; i += 2) {
        const low = groups[i];
        const high = groups[i + 1] as Group | undefined;
        if (high === undefined) {
          merged.push(low);
          continue;
        }
        const carry = session.allocate(plane);
        gates.push({ x: high.p!, y: low.g, out: carry });
        sums.push({ target: carry, addend: high.g });
        if (low.p === undefined) {
          merged.push({ g: carry });
        } else {
          const p = session.allocate(plane);
          gates.push({ x: high.p!, y: low.p, out: p });
          merged.push({ g: carry, p });
        }
      }
      return merged;
    });
    await and(session, gates, plane);
    for (const { target, addend } of sums) xor(session, target, addend, target, plane);
  }
  return level.map(([group]) => group);
}

function groups(
  { generate, propagate }: Summands,
  first: number,
  last: number,
  plane: number,
  open: boolean,
): Group[] {
  const result: Group[] = [];
  for (let j = first; j < last; j++) {
    const g = row(generate, j, plane);
    result.push(j === first && !open ? { g } : { g, p: row(propagate, j, plane) });
  }
  return result;
}

export function signCost(index: PartyIndex, count: number): Cost {
  const plane = planeWords(count) * WORD_BYTES;
  return sumCosts(summandsCost(index, count), {
    rounds: treeDepth(SIGN),
    bytes: treeGates(SIGN, false) * plane,
  });
}

/** One plane: the sign bits of `count` values. */
export async function signBits(session: Session, z: Shares, count: number): Promise<Shares> {
  const plane = planeWords(count) * WORD_BYTES;
  const sums = await summands(session, z, count);
  const [carry] = await mergeTrees(session, [groups(sums, 0, SIGN, plane, false)], plane);
  const sign = session.allocate(plane);
  xor(session, carry.g, row(sums.propagate, SIGN, plane), sign, plane);
  return sign;
}

/** What truncation of a non-negative value needs, one plane each. */
export interface TruncationBits {
  sign: Shares;
  /** Carry out of the dropped positions. */
  lowCarry: Shares;
  /** Carry out of the ring, valid where the sign is zero. */
  wrap: Shares;
}

export function truncationCost(index: PartyIndex, count: number, shift: number): Cost {
  const plane = planeWords(count) * WORD_BYTES;
  const high = SIGN - shift;
  return sumCosts(
    summandsCost(index, count),
    {
      rounds: Math.max(treeDepth(shift), treeDepth(high)),
      bytes: (treeGates(shift, false) + treeGates(high, true)) * plane,
    },
    andCost(plane),
  );
}

/**
 * Sign, carry out of the lowest `shift` positions, and wrap-around of `count` values.
 *
 * For a non-negative value the sign position's two bits and the carry into it have an even sum, so the
 * carry out of it is the OR of the two bits: no further round.
 */
export async function truncationBits(
  session: Session,
  z: Shares,
  count: number,
  shift: number,
): Promise<TruncationBits> {
  const plane = planeWords(count) * WORD_BYTES;
  const sums = await summands(session, z, count);
  const [low, high] = await mergeTrees(
    session,
    [groups(sums, 0, shift, plane, false), groups(sums, shift, SIGN, plane, true)],
    plane,
  );
  const sign = session.allocate(plane);
  await and(session, [{ x: high.p!, y: low.g, out: sign }], plane);
  xor(session, sign, high.g, sign, plane);
  const top = row(sums.propagate, SIGN, plane);
  xor(session, sign, top, sign, plane);
  const wrap = session.allocate(plane);
  xor(session, row(sums.generate, SIGN, plane), top, wrap, plane);
  return { sign, lowCarry: low.g, wrap };
}
