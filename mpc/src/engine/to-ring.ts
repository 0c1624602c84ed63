/**
 * Malicious with abort, 1 of 3 corrupted, once gates and advice are verified and the neighbours agree:
 * numbers shared in binary to ring elements (ABY3, Mohassel and Rindal, CCS 2018, section 5.4). Two of
 * the three arithmetic shares are random numbers, each known to two parties; the third is the value
 * minus these, computed in binary and opened to the two parties that hold it. What is subtracted does
 * not depend on the value, so {@link prepareMasks} can run ahead, by {@link advise}. Of 8-bit values: 30
 * ANDs, or 23 in wide planes, 37 products to advise on, and 16 bits to open.
 *
 * Opening costs one round: every party learns the component that it misses from the previous party, and
 * the next one, who holds it too, vouches for it ({@link Session.agree}). To compare the opened shares
 * instead would not do: whoever sends to both learners could flip the same bit for both. Opening comes
 * before the gates are verified; a wrong gate or wrong advice makes the result wrong but shows nothing,
 * since the random number that a learner lacks has a fresh bit for every opened one.
 */
import { RING_BITS } from '../model.ts';
import { advise, adviseCost, allocateSum, prefixRows, type Advised } from './advice.ts';
import { carries, carriesCost, evaluate, planeBytes, type Circuit } from './adder.ts';
import { copy, gatesCost, sumCosts, xor, type AndGate, type Cost } from './binary.ts';
import { row } from './carry.ts';
import type { PartyIndex } from './channel.ts';
import { planeWords, segments, segmentSize, type Segment } from './roles.ts';
import { WORD_BYTES } from './ring.ts';
import type { Session, Shares } from './session.ts';

/** Values to a word of a bit plane. */
const PLANE_BITS = 32;

/** Used once, and for values of one width. */
export interface RingMask {
  /** RING_BITS rows: what is added to the value. */
  planes: Shares;
  /** Row n: AND of the first n + 1 rows of `planes` above the value's width. */
  prefixes: Shares;
  /** Words of the two random shares; the third one's place is still empty. */
  words: Shares;
}

/** Values that will become ring elements together. */
export interface Conversion {
  count: number;
  /** Bits of a value. */
  bits: number;
}

export const prepareMasksCost = (index: PartyIndex, conversions: Conversion[]): Required<Cost> =>
  adviseCost(
    index,
    conversions.map(({ count, bits }) => ({ count, width: bits })),
  );

/** The segment whose share `h` is opened to its holders, parties h and h - 1. */
const openedSegment = (h: number, words: number): Segment =>
  segments((h % 3) as PartyIndex, words).holder;

/** A mask for each conversion, all in one round. */
export async function prepareMasks(
  session: Session,
  conversions: Conversion[],
): Promise<RingMask[]> {
  const { memory, kernels, pair } = session;
  const masks = conversions.map(({ count, bits }): RingMask => {
    const words = session.allocate(planeWords(count) * PLANE_BITS * WORD_BYTES);
    return { words, ...allocateSum(session, { count, width: bits }) };
  });
  const mark = memory.mark();
  const sums = masks.map(({ words, planes, prefixes }, n): Advised => {
    const { count, bits } = conversions[n];
    const padded = planeWords(count) * PLANE_BITS;
    const [a, b] = [pair.own, pair.next].map((pair) => pair.fill(padded * WORD_BYTES));
    kernels.negate24(a, words.a, padded);
    kernels.negate24(b, words.b, padded);
    return { words: { a, b }, count: padded, width: bits, out: { planes, prefixes } };
  });
  await advise(session, sums);
  memory.release(mark);
  return masks;
}

/** Carries of the positions that the value reaches. */
const valueRange = (bits: number) => ({ first: 0, from: 0, to: Math.min(bits, RING_BITS - 1) });

export function bitsToRingCost(index: PartyIndex, count: number, bits: number): Cost {
  const plane = planeBytes(count);
  const upper = prefixRows(bits);
  const opened = openedWords(sentSegments(index, planeWords(count)));
  return sumCosts(
    carriesCost(valueRange(bits), plane),
    gatesCost(upper > 0 ? 1 : 0, upper * plane),
    { rounds: 1, bytes: opened * WORD_BYTES },
  );
}

/**
 * `count` numbers of `bits` rows to ring elements: words below 2^24, the same at both holders of a
 * share. They take the place of the mask's words.
 */
export async function bitsToRing(
  session: Session,
  planes: Shares,
  mask: RingMask,
  bits: number,
  count: number,
): Promise<Shares> {
  const { memory } = session;
  const plane = planeBytes(count);
  const mark = memory.mark();
  const masked = session.allocate(RING_BITS * plane);
  await evaluate(session, [maskedSum(session, planes, mask, bits, plane, masked)], plane);
  await open(session, masked, planeWords(count), mask.words);
  memory.release(mark);
  return mask.words;
}

/** Value plus mask. Above the value's width its carry goes as far as the mask's bits are all one. */
function* maskedSum(
  session: Session,
  value: Shares,
  mask: RingMask,
  bits: number,
  plane: number,
  out: Shares,
): Circuit<void> {
  const carry = yield* carries(session, value, mask.planes, valueRange(bits), plane);
  xor(session, value, mask.planes, out, bits * plane);
  xor(session, out, carry, out, bits * plane);
  if (bits === RING_BITS) return;
  const incoming = row(carry, bits, plane);
  const upper = row(out, bits, plane);
  const gates: AndGate[] = [];
  for (let n = 0; n < prefixRows(bits); n++) {
    gates.push({ x: row(mask.prefixes, n, plane), y: incoming, out: row(upper, n + 1, plane) });
  }
  if (gates.length > 0) yield gates;
  copy(session, incoming, upper, plane);
  xor(session, upper, row(mask.planes, bits, plane), upper, (RING_BITS - bits) * plane);
}

/** The segments of which party `index` learns a share. */
const learntSegments = (index: number, words: number): [Segment, Segment] => [
  openedSegment(index, words),
  openedSegment(index + 1, words),
];

/** The segments of which it sends the component that the next party misses. */
const sentSegments = (index: number, words: number): [Segment, Segment] =>
  learntSegments(index + 1, words);

const openedWords = (parts: Segment[]): number =>
  RING_BITS * parts.reduce((sum, part) => sum + segmentSize(part), 0);

/** Opens each segment's share to its two holders, as words at its place in `out`. */
async function open(session: Session, x: Shares, words: number, out: Shares): Promise<void> {
  const { memory, kernels, index } = session;
  const plane = words * WORD_BYTES;
  const learnt = learntSegments(index, words);
  const sent = sentSegments(index, words);
  const vouched = learntSegments(index + 2, words);
  const send = gather(session, x.a, sent, RING_BITS, plane);
  const missing = memory.allocate(openedWords(learnt) * WORD_BYTES);
  await session.exchange(
    'next',
    send,
    openedWords(sent) * WORD_BYTES,
    missing,
    openedWords(learnt) * WORD_BYTES,
  );
  session.agree('next', missing, openedWords(learnt) * WORD_BYTES);
  session.agree(
    'previous',
    gather(session, x.b, vouched, RING_BITS, plane),
    openedWords(vouched) * WORD_BYTES,
  );

  let third = missing;
  learnt.forEach((segment, n) => {
    const length = segmentSize(segment) * WORD_BYTES;
    for (let j = 0; j < RING_BITS; j++) {
      const at = j * plane + segment.first * WORD_BYTES;
      kernels.xorBytes(x.a + at, x.b + at, x.a + at, length);
      kernels.xorBytes(x.a + at, third, x.a + at, length);
      third += length;
    }
    const target = n === 0 ? out.a : out.b;
    kernels.wordsFromPlanes(x.a, words, RING_BITS, segment.first, segment.last, target);
  });
}

/** Copies some segments of `count` rows to one buffer. */
function gather(
  { memory }: Session,
  rows: number,
  parts: Segment[],
  count: number,
  plane: number,
): number {
  const total = parts.reduce((sum, part) => sum + segmentSize(part), 0);
  const pointer = memory.allocate(total * count * WORD_BYTES);
  let to = pointer;
  for (const segment of parts) {
    const length = segmentSize(segment) * WORD_BYTES;
    for (let j = 0; j < count; j++) {
      const from = rows + j * plane + segment.first * WORD_BYTES;
      memory.copy(from, to, length);
      to += length;
    }
  }
  return pointer;
}
