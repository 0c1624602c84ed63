/**
 * Malicious with abort, 1 of 3 corrupted, once the advice is verified (`gate-proof.ts`): the bits of sums of
 * two numbers, each known to a pair of parties. One party, the adviser, is of both pairs and knows the
 * sum; it shares the carries, and proves to the others that each follows from the one below. One round
 * for any number of sums; for 24 bits 23 / 3 bits per sum and party, and as many products to verify.
 *
 * Whoever lies makes a product wrong, whatever the secrets are, so that it learns nothing from being caught.
 */
import { RING_BITS } from '../model.ts';
import { sumCosts, type Cost } from './binary.ts';
import type { PartyIndex } from './channel.ts';
import { planeWords, segments, segmentSize, type Role, type Segment } from './roles.ts';
import { WORD_BYTES } from './ring.ts';
import type { Session, Shares } from './session.ts';

/** What sums are of: `count` values. */
interface Shape {
  count: number;
  /** Rows of {@link AdvisedSum.prefixes} begin at this bit; RING_BITS - 1 or more for none. */
  width: number;
}

export interface AdvisedSum {
  /** RING_BITS rows: the sum modulo 2^24. */
  planes: Shares;
  /** Row n: AND of rows width to width + n of `planes`, for all but the highest row. */
  prefixes: Shares;
}

export interface Advised extends Shape {
  /** Two numbers for each value, words of which 24 bits count: the previous party knows `a`, the next one `b`. */
  words: Shares;
  /** Takes the result, see {@link allocateSum}. */
  out: AdvisedSum;
}

/** Carries into positions 1 to RING_BITS - 1. */
const CARRY_ROWS = RING_BITS - 1;

/** No carry leaves the last position. */
export const prefixRows = (width: number): number => Math.max(0, CARRY_ROWS - width);

/** Rows of advice: carries, and prefixes but the first. */
const adviceRows = (width: number): number => CARRY_ROWS + Math.max(0, prefixRows(width) - 1);

/**
 * Sums whose third number is share h are the advice of party h + 1, who holds shares h + 1 and h + 2. So the
 * holder is the adviser, the receiver its next party and the helper its previous one.
 */
export const adviceSegments = (index: PartyIndex, words: number): Record<Role, Segment> =>
  segments(((index + 2) % 3) as PartyIndex, words);

export function adviseCost(index: PartyIndex, sums: Shape[]): Required<Cost> {
  const costs = sums.map(({ count, width }) => {
    const words = planeWords(count);
    const rows = adviceRows(width) * WORD_BYTES;
    const most = Math.max(...([0, 1, 2] as const).map((i) => adviserWords(i, words)));
    return { rounds: 0, bytes: rows * adviserWords(index, words), advised: rows * most };
  });
  return sumCosts({ rounds: 1, bytes: 0 }, ...costs);
}

const adviserWords = (index: PartyIndex, words: number): number =>
  segmentSize(adviceSegments(index, words).holder);

/** Room for a result. */
export const allocateSum = (session: Session, { count, width }: Shape): AdvisedSum => ({
  planes: session.allocateZeros(RING_BITS * planeWords(count) * WORD_BYTES),
  prefixes: session.allocateZeros(prefixRows(width) * planeWords(count) * WORD_BYTES),
});

/** One of the sums, and who advises on which of its values. */
interface Part extends Advised {
  segments: Record<Role, Segment>;
}

/** Fills the results of all sums; what is to be proved is recorded where the session has a log of advice. */
export async function advise(session: Session, sums: Advised[]): Promise<void> {
  const { memory, kernels, pair, index } = session;
  const parts = sums.map((sum): Part => {
    return { ...sum, segments: adviceSegments(index, planeWords(sum.count)) };
  });
  const mark = memory.mark();
  const total = (role: Role): number =>
    parts.reduce((sum, part) => sum + adviceBytes(part, role), 0);
  const send = memory.allocate(total('holder'));
  const received = memory.allocate(total('receiver'));
  const own = pair.own.take(total('holder'));
  const next = pair.next.take(total('helper'));
  let at = 0;
  for (const part of parts) {
    ownAdvice(session, part, send + at);
    at += adviceBytes(part, 'holder');
  }
  // The previous party knows the mask, the next one the masked advice.
  kernels.xorBytes(send, own, send, total('holder'));
  await session.exchange('next', send, total('holder'), received, total('receiver'));

  const taken = { own, send, received, next };
  for (const part of parts) {
    share(session, part, part.segments.holder, 'a', taken.own);
    share(session, part, part.segments.holder, 'b', taken.send);
    taken.own += adviceBytes(part, 'holder');
    taken.send += adviceBytes(part, 'holder');
    share(session, part, part.segments.receiver, 'a', taken.received);
    taken.received += adviceBytes(part, 'receiver');
    share(session, part, part.segments.helper, 'b', taken.next);
    taken.next += adviceBytes(part, 'helper');
  }
  memory.release(mark);
}

const rowBytes = ({ segments }: Part, role: Role): number =>
  segmentSize(segments[role]) * WORD_BYTES;

const adviceBytes = (part: Part, role: Role): number =>
  adviceRows(part.width) * rowBytes(part, role);

/** As the adviser: carries and prefixes in clear, which are recorded. */
function ownAdvice(session: Session, part: Part, out: number): void {
  const { memory, kernels, adviceLog } = session;
  const { width, words } = part;
  const length = rowBytes(part, 'holder');
  const mark = memory.mark();
  const at = (rows: number, n: number): number => rows + n * length;
  const x = segmentPlanes(session, part, part.segments.holder, words.a);
  const y = segmentPlanes(session, part, part.segments.holder, words.b);
  const carries = memory.allocateZeros(RING_BITS * length);
  kernels.sumCarries(x, y, carries, length, CARRY_ROWS * length);
  adviceLog?.recordOwn(x, y, CARRY_ROWS * length);
  memory.copy(at(carries, 1), out, CARRY_ROWS * length);
  if (prefixRows(width) > 0) {
    // With a carry in each of the two, the sum takes another.
    kernels.xorBytes(x, y, x, CARRY_ROWS * length);
    kernels.xorBytes(x, carries, x, CARRY_ROWS * length);
    const prefixes = memory.allocate(prefixRows(width) * length);
    memory.copy(at(x, width), prefixes, length);
    const products = (prefixRows(width) - 1) * length;
    kernels.andChain(at(x, width + 1), prefixes, length, products);
    adviceLog?.recordOwn(prefixes, at(x, width + 1), products);
    memory.copy(at(prefixes, 1), at(out, CARRY_ROWS), products);
  }
  memory.release(mark);
}

/**
 * This party's share of a segment, where it knows one of the two numbers and one of two parts of the advice;
 * what it knows of the products is recorded, unless it is the adviser.
 *
 * Of what the adviser says it shares (0, r, bit ^ r), the first of them the share that it lacks. The helper
 * knows r alone, the receiver what r masks.
 */
function share(
  session: Session,
  part: Part,
  segment: Segment,
  side: keyof Shares,
  advice: number,
): void {
  const { memory, kernels } = session;
  const { width, count, out } = part;
  const plane = planeWords(count) * WORD_BYTES;
  const length = segmentSize(segment) * WORD_BYTES;
  const mark = memory.mark();
  const at = (rows: number, n: number): number => rows + n * length;
  const sum = segmentPlanes(session, part, segment, part.words[side]);
  const carries = memory.allocateZeros(RING_BITS * length);
  memory.copy(advice, at(carries, 1), CARRY_ROWS * length);
  kernels.xorBytes(sum, carries, sum, RING_BITS * length);
  const chain = memory.allocate(prefixRows(width) * length);
  if (prefixRows(width) > 0) {
    memory.copy(at(sum, width), chain, length);
    const advised = (prefixRows(width) - 1) * length;
    memory.copy(at(advice, CARRY_ROWS), at(chain, 1), advised);
  }
  scatter(session, sum, segment, RING_BITS, plane, out.planes[side]);
  scatter(session, chain, segment, prefixRows(width), plane, out.prefixes[side]);
  if (segment.role !== 'holder') {
    record(session, segment.role, sum, carries, chain, width, length);
  }
  memory.release(mark);
}

/**
 * The majority of x, y and a carry c is ((x ^ c) & (y ^ c)) ^ c. The helper knows x and one part of c, the
 * receiver y and the other part.
 */
function record(
  { memory, kernels, adviceLog }: Session,
  role: Exclude<Role, 'holder'>,
  sum: number,
  carries: number,
  chain: number,
  width: number,
  length: number,
): void {
  if (!adviceLog) return;
  const adviser = role === 'helper' ? 'next' : 'previous';
  const [x, y] = role === 'helper' ? [sum, carries] : [carries, sum];
  const rows = CARRY_ROWS * length;
  const products = memory.allocate(rows);
  kernels.xorBytes(carries, carries + length, products, rows);
  adviceLog.record(adviser, x, y, products, rows);
  if (prefixRows(width) === 0) return;
  const factor = sum + (width + 1) * length;
  adviceLog.record(adviser, chain, factor, chain + length, (prefixRows(width) - 1) * length);
}

/** RING_BITS rows of a segment's values. */
function segmentPlanes(
  { memory, kernels }: Session,
  { count }: Part,
  segment: Segment,
  words: number,
): number {
  const size = segmentSize(segment);
  const planes = memory.allocate(RING_BITS * size * WORD_BYTES);
  const start = planes - segment.first * WORD_BYTES;
  kernels.planesFromWords(words, count, segment.first, segment.last, RING_BITS, start, size);
  return planes;
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
    memory.copy(from + j * length, rows + j * plane + segment.first * WORD_BYTES, length);
  }
}
