/**
 * Semi-honest, 1 of 3 corrupted: arg-max and margin of a row of logits. All pairs are compared at once
 * ({@link signBits}), then a tree over each class's outcomes finds who never lost and who lost once.
 * Depth does not depend on the order of the values; of equal logits the first wins.
 */
import { and, andCost, not, sumCosts, xor, type AndGate, type Cost } from './binary.ts';
import { row, signBits, signCost } from './carry.ts';
import { planeWords } from './roles.ts';
import { combine, combineCost, type Term } from './convert.ts';
import { subtract, WORD_BYTES } from './ring.ts';
import type { PartyIndex } from './channel.ts';
import type { Session, Shares } from './session.ts';

/** Lanes of an arg-max are padded to whole words of bits. */
export const ARGMAX_LANE_MULTIPLE = 32;

export interface Winner {
  /** One plane per class: 1 where it wins. At most one is set. */
  top: Shares;
  /** Winner's logit minus the second's: [lanes] words. */
  margin: Shares;
}

const pairCount = (classes: number): number => (classes * (classes - 1)) / 2;

const treeRounds = (classes: number): number => Math.ceil(Math.log2(classes - 1));

export function argmaxCost(index: PartyIndex, classes: number, lanes: number): Cost {
  const plane = planeWords(lanes) * WORD_BYTES;
  const kinds = Array<Term['kind']>(2 * classes).fill('select');
  return sumCosts(
    signCost(index, pairCount(classes) * lanes),
    {
      rounds: treeRounds(classes),
      bytes: andCost(plane).bytes * 3 * classes * (classes - 2),
    },
    combineCost(index, lanes, kinds),
  );
}

/** Outcome of a set of comparisons of one class: won all; lost exactly one. */
interface Outcome {
  all: Shares;
  allButOne: Shares;
}

/**
 * @param values [classes][lanes] words, at least two classes
 * @param lanes a multiple of {@link ARGMAX_LANE_MULTIPLE}
 */
export async function argmax(
  session: Session,
  values: Shares,
  classes: number,
  lanes: number,
): Promise<Winner> {
  const stride = lanes * WORD_BYTES;
  const plane = planeWords(lanes) * WORD_BYTES;
  const differences = session.allocate(pairCount(classes) * stride);
  const pairs: [number, number][] = [];
  for (let i = 0; i < classes; i++) for (let j = i + 1; j < classes; j++) pairs.push([i, j]);
  pairs.forEach(([i, j], n) => {
    subtract(
      session,
      row(values, i, stride),
      row(values, j, stride),
      row(differences, n, stride),
      lanes,
    );
  });
  // lost[n] = 1 where the first of pair n is smaller than the second.
  const lost = await signBits(session, differences, pairs.length * lanes);
  const won = session.allocate(pairs.length * plane);
  const zero = session.allocateZeros(pairs.length * plane);
  xor(session, lost, zero, won, pairs.length * plane);
  not(session, won, pairs.length * plane);

  let level: Outcome[][] = Array.from({ length: classes }, (_, c) =>
    pairs.flatMap(([i, j], n) => {
      if (c !== i && c !== j) return [];
      const [all, allButOne] = c === i ? [won, lost] : [lost, won];
      return [{ all: row(all, n, plane), allButOne: row(allButOne, n, plane) }];
    }),
  );
  while (level[0].length > 1) {
    const gates: AndGate[] = [];
    const sums: { target: Shares; addend: Shares }[] = [];
    level = level.map((outcomes) => {
      const merged: Outcome[] = [];
      for (let i = 0; i < outcomes.length; i += 2) {
        const x = outcomes[i];
        const y = outcomes[i + 1] as Outcome | undefined;
        if (y === undefined) {
          merged.push(x);
          continue;
        }
        const [all, allButOne, other] = [plane, plane, plane].map((n) => session.allocate(n));
        gates.push({ x: x.all, y: y.all, out: all });
        gates.push({ x: x.all, y: y.allButOne, out: allButOne });
        gates.push({ x: x.allButOne, y: y.all, out: other });
        sums.push({ target: allButOne, addend: other });
        merged.push({ all, allButOne });
      }
      return merged;
    });
    await and(session, gates, plane);
    for (const { target, addend } of sums) xor(session, target, addend, target, plane);
  }

  const top = session.allocate(classes * plane);
  const terms = level.flatMap(([{ all, allButOne }], c): Term[] => {
    const value = row(values, c, stride);
    xor(session, all, zero, row(top, c, plane), plane);
    return [
      { kind: 'select', bit: all, value, shift: 0, sign: 1 },
      { kind: 'select', bit: allButOne, value, shift: 0, sign: -1 },
    ];
  });
  return { top, margin: await combine(session, terms, lanes) };
}
