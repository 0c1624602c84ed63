/**
 * Malicious with abort, 1 of 3 corrupted, once the gates are verified and the neighbours agree: arg-max
 * and margin of a row of logits, in binary. All pairs are compared at once while the logits become bits
 * ({@link ringBits}), a tree over each class's outcomes finds who never lost and who lost once, ANDs
 * select these two, and their difference goes back to the ring ({@link bitsToRing}); see there for
 * papers. Of equal logits the first wins. For five classes: 29 rounds, 1,237 ANDs, 345 products to
 * advise on and 23 ahead, and 16 bits to open.
 *
 * Class and margin are those of the twin as long as the logits are less than 2^23 apart; beyond that,
 * more than one class may lose once, and the margin has no meaning.
 */
import { RING_BITS } from '../model.ts';
import { addition, additionCost, evaluate, planeBytes, type Circuit } from './adder.ts';
import type { Winner } from './argmax.ts';
import {
  and,
  andCost,
  copy,
  gatesCost,
  not,
  sumCosts,
  xor,
  type AndGate,
  type Cost,
} from './binary.ts';
import { row } from './carry.ts';
import type { PartyIndex } from './channel.ts';
import { ringBits, ringBitsCost } from './ring-bits.ts';
import { subtract, WORD_BYTES } from './ring.ts';
import type { Session, Shares } from './session.ts';
import { bitsToRing, bitsToRingCost, type RingMask } from './to-ring.ts';

const SIGN = RING_BITS - 1;
const DIFFERENCE_RANGE = { first: 0, from: 0, to: RING_BITS } as const;

/** All pairs of classes, the lower first. */
function classPairs(classes: number): [number, number][] {
  const pairs: [number, number][] = [];
  for (let i = 0; i < classes; i++) for (let j = i + 1; j < classes; j++) pairs.push([i, j]);
  return pairs;
}

/** A row of lanes for each difference, and one for each logit. */
const comparedRows = (classes: number): number => classPairs(classes).length + classes;

export function argmaxVerifiedCost(index: PartyIndex, classes: number, lanes: number): Cost {
  const plane = planeBytes(lanes);
  return sumCosts(
    ringBitsCost(index, comparedRows(classes) * lanes, 0),
    gatesCost(Math.ceil(Math.log2(classes - 1)), 3 * classes * (classes - 2) * plane),
    andCost(2 * classes * RING_BITS * plane),
    additionCost(DIFFERENCE_RANGE, plane),
    bitsToRingCost(index, lanes, RING_BITS),
  );
}

/** Outcome of a set of comparisons of one class: won all; lost exactly one. */
interface Outcome {
  all: Shares;
  allButOne: Shares;
}

/**
 * @param values [classes][lanes] words, at least two classes
 * @param lanes a multiple of `ARGMAX_LANE_MULTIPLE`
 * @param mask for `lanes` values of RING_BITS bits; the margin takes the place of its words
 */
export async function argmaxVerified(
  session: Session,
  values: Shares,
  classes: number,
  lanes: number,
  mask: RingMask,
): Promise<Winner> {
  const { memory } = session;
  const plane = planeBytes(lanes);
  const number = RING_BITS * plane;
  const rows = comparedRows(classes);
  const top = session.allocate(classes * plane);
  const mark = memory.mark();
  const bits = await comparedBits(session, values, classes, lanes);
  const outcomes = compare(session, bits, classes, plane);
  const totals = await evaluate(
    session,
    outcomes.map((results) => tally(session, results, plane)),
    plane,
  );
  totals.forEach(({ all }, c) => copy(session, all, row(top, c, plane), plane));

  const select = (choices: Shares[]): { gates: AndGate[]; out: Shares } => {
    const out = session.allocate(classes * number);
    const gates = choices.flatMap((choice, c) =>
      Array.from({ length: RING_BITS }, (_, j): AndGate => {
        const y = row(bits, (j + 1) * rows - classes + c, plane);
        return { x: choice, y, out: row(out, c * RING_BITS + j, plane) };
      }),
    );
    return { gates, out };
  };
  const largest = select(totals.map(({ all }) => all));
  const second = select(totals.map(({ allButOne }) => allButOne));
  await and(session, [...largest.gates, ...second.gates], plane);
  for (const { out } of [largest, second]) {
    for (let c = 1; c < classes; c++) xor(session, out, row(out, c, number), out, number);
  }

  // x - y is the complement of (complement of x) + y.
  const margin = session.allocate(number);
  not(session, largest.out, number);
  await evaluate(
    session,
    [addition(session, largest.out, second.out, DIFFERENCE_RANGE, plane, margin)],
    plane,
  );
  not(session, margin, number);
  const words = await bitsToRing(session, margin, mask, RING_BITS, lanes);
  memory.release(mark);
  return { top, margin: words };
}

/** Bits of the differences of all pairs, and of all logits: [RING_BITS][comparedRows][lanes]. */
async function comparedBits(
  session: Session,
  values: Shares,
  classes: number,
  lanes: number,
): Promise<Shares> {
  const { memory } = session;
  const stride = lanes * WORD_BYTES;
  const rows = comparedRows(classes);
  const bits = session.allocate(RING_BITS * rows * planeBytes(lanes));
  const mark = memory.mark();
  const compared = session.allocate(rows * stride);
  const at = (n: number): Shares => row(compared, n, stride);
  const pairs = classPairs(classes);
  pairs.forEach(([i, j], n) =>
    subtract(session, row(values, i, stride), row(values, j, stride), at(n), lanes),
  );
  copy(session, values, at(pairs.length), classes * stride);
  await ringBits(session, compared, rows * lanes, 0, bits);
  memory.release(mark);
  return bits;
}

/** Each class's outcomes against all others. */
function compare(session: Session, bits: Shares, classes: number, plane: number): Outcome[][] {
  const pairs = classPairs(classes);
  // lost[n] = 1 where the first of pair n is smaller than the second.
  const lost = row(bits, SIGN * comparedRows(classes), plane);
  const won = session.allocate(pairs.length * plane);
  copy(session, lost, won, pairs.length * plane);
  not(session, won, pairs.length * plane);
  return Array.from({ length: classes }, (_, c) =>
    pairs.flatMap(([i, j], n): Outcome[] => {
      if (c !== i && c !== j) return [];
      const [all, allButOne] = c === i ? [won, lost] : [lost, won];
      return [{ all: row(all, n, plane), allButOne: row(allButOne, n, plane) }];
    }),
  );
}

/** Merges a class's outcomes to one. */
function* tally(session: Session, outcomes: Outcome[], plane: number): Circuit<Outcome> {
  let level = outcomes;
  while (level.length > 1) {
    const gates: AndGate[] = [];
    const sums: { target: Shares; addend: Shares }[] = [];
    const merged: Outcome[] = [];
    for (let i = 0; i + 1 < level.length; i += 2) {
      const [x, y] = [level[i], level[i + 1]];
      const [all, allButOne, other] = [plane, plane, plane].map((n) => session.allocate(n));
      gates.push({ x: x.all, y: y.all, out: all });
      gates.push({ x: x.all, y: y.allButOne, out: allButOne });
      gates.push({ x: x.allButOne, y: y.all, out: other });
      sums.push({ target: allButOne, addend: other });
      merged.push({ all, allButOne });
    }
    if (level.length % 2 === 1) merged.push(level[level.length - 1]);
    yield gates;
    for (const { target, addend } of sums) xor(session, target, addend, target, plane);
    level = merged;
  }
  return level[0];
}
