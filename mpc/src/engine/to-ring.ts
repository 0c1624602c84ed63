/**
 * Malicious with abort, 1 of 3 corrupted, once gates and residues are verified and the neighbours agree:
 * numbers shared in binary to ring elements (ABY3, Mohassel and Rindal, CCS 2018, section 5.4). Two of
 * the three arithmetic shares are random numbers, each known to two parties; the third is the value
 * minus these, computed in binary and opened to the two parties that hold it. What is subtracted does
 * not depend on the value, so {@link prepareMasks} can run ahead. Of 8-bit values: 30 ANDs, 37 ahead,
 * and 16 bits to open.
 *
 * One party, the adviser, holds both random numbers. It shares the carries of their sum, and one round of
 * gates then verifies them all at once.
 *
 * Opening costs one round: every party learns the component that it misses from the previous party, and
 * the next one, who holds it too, vouches for it ({@link Session.agree}). To compare the opened shares
 * instead would not do: whoever sends to both learners could flip the same bit for both. Opening comes
 * before the gates are verified; a wrong gate or wrong advice makes the result wrong but shows nothing,
 * since the random number that a learner lacks has a fresh bit for every opened one.
 */
import { RING_BITS } from '../model.ts';
import { carries, carriesCost, evaluate, planeBytes, type Circuit } from './adder.ts';
import { and, andCost, gatesCost, sumCosts, xor, type AndGate, type Cost } from './binary.ts';
import { row } from './carry.ts';
import type { PartyIndex } from './channel.ts';
import {
  holderCost,
  holderRound,
  planeWords,
  segments,
  segmentSize,
  type Role,
  type Segment,
} from './roles.ts';
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

/** Carries into positions 1 to RING_BITS - 1. */
const CARRY_ROWS = RING_BITS - 1;

/** Rows of prefixes: no carry leaves the last position. */
const prefixRows = (bits: number): number => Math.max(0, RING_BITS - 1 - bits);

/** Advised bits of a value, each verified by one gate: carries, and prefixes but the first. */
const adviceRows = (bits: number): number => CARRY_ROWS + Math.max(0, prefixRows(bits) - 1);

export function prepareMasksCost(index: PartyIndex, count: number, bits: number): Required<Cost> {
  const rows = adviceRows(bits);
  return sumCosts(
    holderCost(adviceSegments(index, planeWords(count)), rows * WORD_BYTES),
    andCost(rows * planeBytes(count)),
  );
}

/** The segment whose share `h` is opened to its holders, parties h and h - 1. */
const openedSegment = (h: number, words: number): Segment =>
  segments((h % 3) as PartyIndex, words).holder;

/**
 * Where share h is opened, party h + 1 advises: it holds shares h + 1 and h + 2 and does not learn share
 * h. So the holder is the adviser, the receiver holds share h + 2 too and the helper share h + 1.
 */
const adviceSegments = (index: PartyIndex, words: number): Record<Role, Segment> =>
  segments(((index + 2) % 3) as PartyIndex, words);

/** Masks for `count` values of `bits` bits. */
export async function prepareMasks(
  session: Session,
  count: number,
  bits: number,
): Promise<RingMask> {
  const { memory, kernels, pair, index } = session;
  const words = planeWords(count);
  const plane = planeBytes(count);
  const padded = words * PLANE_BITS;
  const planes = session.allocate(RING_BITS * plane);
  const prefixes = session.allocate(prefixRows(bits) * plane);
  const out = session.allocate(padded * WORD_BYTES);
  const mark = memory.mark();
  const own = pair.own.take(padded * WORD_BYTES);
  const next = pair.next.take(padded * WORD_BYTES);
  kernels.negate24(own, out.a, padded);
  kernels.negate24(next, out.b, padded);

  // Where share h is opened: the random numbers of shares h + 1 and h + 2, each in its own XOR share.
  const first = session.allocateZeros(RING_BITS * plane);
  const second = session.allocateZeros(RING_BITS * plane);
  const place = (values: number, h: number, target: number): void => {
    const segment = openedSegment(h, words);
    kernels.planesFromWords(values, padded, segment.first, segment.last, RING_BITS, target, words);
  };
  place(own, index + 2, first.a);
  place(own, index + 1, second.a);
  place(next, index, first.b);
  place(next, index + 2, second.b);
  const advice = await advise(session, own, next, words, bits);
  await sumAdvised(session, first, second, advice, bits, plane, planes, prefixes);
  memory.release(mark);
  return { planes, prefixes, words: out };
}

/**
 * The adviser shares what it knows as (0, r, bit ^ r), the first of them share h, with r known to it and
 * to the helper. This shows nothing to either: the helper has r alone, the receiver what r masks.
 *
 * @returns a row of zeros, the carry into position 0; then {@link adviceRows} rows
 */
async function advise(
  session: Session,
  x: number,
  y: number,
  words: number,
  bits: number,
): Promise<Shares> {
  const { memory, kernels, pair, index } = session;
  const plane = words * WORD_BYTES;
  const rows = adviceRows(bits);
  const advice = session.allocateZeros((1 + rows) * plane);
  const parts = adviceSegments(index, words);
  const { holder, receiver, helper } = parts;
  const size = (segment: Segment): number => segmentSize(segment) * rows * WORD_BYTES;
  const mark = memory.mark();
  const known = row(advice, 1, plane);
  const send = memory.allocate(size(holder));
  adviceBits(session, x, y, holder, bits, send);
  const mask = pair.own.take(size(holder));
  kernels.xorBytes(send, mask, send, size(holder));
  const received = memory.allocate(size(receiver));
  await holderRound(session, parts, rows * WORD_BYTES, send, received);
  scatter(session, mask, holder, rows, plane, known.a);
  scatter(session, send, holder, rows, plane, known.b);
  scatter(session, received, receiver, rows, plane, known.a);
  scatter(session, pair.next.take(size(helper)), helper, rows, plane, known.b);
  memory.release(mark);
  return advice;
}

/** In clear, of one segment: rows of the carries of x + y, then of all prefixes but the first. */
function adviceBits(
  { memory, kernels }: Session,
  x: number,
  y: number,
  segment: Segment,
  bits: number,
  out: number,
): void {
  const { first, last } = segment;
  const size = segmentSize(segment);
  const end = last * PLANE_BITS;
  const mark = memory.mark();
  const carries = memory.allocate(end * WORD_BYTES);
  const prefixes = memory.allocate(end * WORD_BYTES);
  const [xs, ys, cs, ps] = [x, y, carries, prefixes].map((at) => memory.words(at, end));
  for (let n = first * PLANE_BITS; n < end; n++) {
    const sum = xs[n] + ys[n];
    cs[n] = (sum ^ xs[n] ^ ys[n]) >>> 1;
    // Adding one at position `bits` carries into a higher one where the prefix below it is one.
    ps[n] = ((sum + 2 ** bits) ^ sum) >>> (bits + 2);
  }
  const write = (values: number, count: number, at: number): void => {
    const start = at - first * WORD_BYTES;
    kernels.planesFromWords(values, end, first, last, count, start, size);
  };
  write(carries, CARRY_ROWS, out);
  write(prefixes, adviceRows(bits) - CARRY_ROWS, out + CARRY_ROWS * size * WORD_BYTES);
  memory.release(mark);
}

/**
 * Planes of x + y and the prefixes, from advice. The majority of three bits is ((x ^ c) & (y ^ c)) ^ c, so
 * with each carry as this says, and none into position 0, all are right. The adviser knows all these
 * bits, and whoever else cheats adds an error to a product: what should be zero and is not is known to
 * the cheater beforehand, and that it shows tells nothing.
 */
async function sumAdvised(
  session: Session,
  x: Shares,
  y: Shares,
  advice: Shares,
  bits: number,
  plane: number,
  planes: Shares,
  prefixes: Shares,
): Promise<void> {
  const rows = adviceRows(bits);
  const products = session.allocate(rows * plane);
  const gate = (a: Shares, b: Shares, n: number): AndGate => {
    return { x: a, y: b, out: row(products, n, plane) };
  };
  xor(session, x, advice, x, RING_BITS * plane);
  xor(session, x, y, planes, RING_BITS * plane);
  xor(session, y, advice, y, RING_BITS * plane);
  const gates: AndGate[] = [];
  for (let j = 0; j < CARRY_ROWS; j++) gates.push(gate(row(x, j, plane), row(y, j, plane), j));
  if (prefixRows(bits) > 0) {
    copy(session, row(planes, bits, plane), prefixes, plane);
    const advised = row(advice, 1 + CARRY_ROWS, plane);
    copy(session, advised, row(prefixes, 1, plane), (prefixRows(bits) - 1) * plane);
  }
  for (let n = 1; n < prefixRows(bits); n++) {
    const bit = row(planes, bits + n, plane);
    gates.push(gate(row(prefixes, n - 1, plane), bit, CARRY_ROWS + n - 1));
  }
  await and(session, gates, plane);
  xor(session, products, advice, products, CARRY_ROWS * plane);
  xor(session, products, row(advice, 1, plane), products, rows * plane);
  session.expectZero(products, rows * plane);
}

function copy({ memory }: Session, from: Shares, to: Shares, length: number): void {
  memory.bytes(to.a, length).set(memory.bytes(from.a, length));
  memory.bytes(to.b, length).set(memory.bytes(from.b, length));
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
      memory.bytes(to, length).set(memory.bytes(from, length));
      to += length;
    }
  }
  return pointer;
}

/** Copies a buffer to a segment of `count` rows. */
function scatter(
  { memory }: Session,
  from: number,
  segment: Segment,
  count: number,
  plane: number,
  rows: number,
): void {
  const length = segmentSize(segment) * WORD_BYTES;
  for (let j = 0; j < count; j++) {
    const to = rows + j * plane + segment.first * WORD_BYTES;
    memory.bytes(to, length).set(memory.bytes(from + j * length, length));
  }
}
