/**
 * Malicious with abort, 1 of 3 corrupted: every party proves to the other two that all its products of AND
 * gates were right. Boneh, Boyle, Corrigan-Gibbs, Gilboa, Ishai, "Zero-Knowledge Proofs on Secret-Shared
 * Data via Fully Linear PCPs", CRYPTO 2019, sections 4 and 5, as Boyle, Gilboa, Ishai, Nof, "Practical Fully
 * Secure Three-Party Computation via Sublinear Distributed Zero-Knowledge Proofs", CCS 2019, use it; over
 * GF(2^64) and with many variables at a time. No bit per gate: {@link checkGatesCost} grows with the
 * logarithm of their number.
 *
 * The statement. Party i, the prover, is to have sent w with X Y = P + N for each gate, where X = x_i +
 * x_(i+1) and Y = y_i + y_(i+1); the previous party knows x_i, y_i and P = w + a_i, the next one x_(i+1),
 * y_(i+1) and N = x_(i+1) y_(i+1) + a_(i+1) (see `gate-log.ts`). So all is shared by the two verifiers, and
 * the prover knows it whole. What a party advises (`advice-log.ts`) is of the same form, and goes behind.
 *
 * A log is cut into 128 slices, of which 64 gates at a time are the coefficients of a field element. For
 * weights of r^j, r a coin tossed when all is fixed, slices s in {0, 1}^7 sum up to claims P_s + N_s =
 * G(s), with G(t) the weighted sum of X(t) Y(t), and X(t), Y(t) linear in each of 7 variables. G is of
 * degree 2 in each: the prover shares its values at {0, 1, infinity}^7 between the verifiers, a coin is
 * tossed for t, and what is left is one claim, G(t), about a 128th of the positions. Positions are folded
 * likewise, a few variables at a time, down to one; a random one is folded in, which masks it; and the
 * verifiers see whether its x y is its claim.
 *
 * A cheat passes with probability at most (2 W + 2 V) / 2^64 for W words of all logs' slices and V variables in all,
 * as a polynomial of degree d has at most d roots: that is below 2^-47 for a slice of 512 KiB.
 *
 * All that a prover sends goes to its previous party, so that late coins will do for the points.
 */
import { MozaikError } from '@mozaik/protocol';
import { sumCosts, type Cost } from './binary.ts';
import { expandCoin, lateCoin } from './coin.ts';
import { sliceBytes, SLICES, type Factors, type ProductLog } from './gate-log.ts';
import {
  addGateSums,
  blockCount,
  blockSums,
  copy,
  ELEMENT_BYTES,
  elements,
  elementSums,
  FEW_BLOCKS,
  foldBlocks,
  foldElements,
  foldLast,
  foldLogs,
  lastBlocks,
  lastSums,
  lastVariables,
  nextStep,
  points,
  SLICE_VARIABLES,
  VECTOR_BYTES,
} from './positions.ts';
import type { Session } from './session.ts';
import type { Transcript } from './transcript.ts';

/** 2^7 elements to a block. */
const LANE_VARIABLES = 7;
const MASK_VARIABLES = 1;

/** Share of x, of y and of the claim, of the position that is left. */
const OPENING_BYTES = 3 * ELEMENT_BYTES;

/** Where the points of {0, 1}^variables stand among those of {0, 1, infinity}^variables. */
const binaryPoints = (variables: number): number[] =>
  Array.from({ length: 2 ** variables }, (_, n) => Number.parseInt(n.toString(2), 3));

/** Variables of each step in which `blocks` blocks become one. */
function blockSteps(blocks: number): number[] {
  if (blocks <= FEW_BLOCKS) return [lastVariables(blocks)];
  const step = nextStep(blocks);
  return [step.variables, ...blockSteps(step.blocks)];
}

/** Of {@link proveGates} and {@link GateProof.open}, of logs of so many bytes. */
export function checkGatesCost(...lengths: number[]): Required<Cost> {
  const blocks = lengths.reduce((sum, length) => sum + sliceBytes(length), 0) / VECTOR_BYTES;
  const steps = [SLICE_VARIABLES, ...blockSteps(blocks), LANE_VARIABLES, MASK_VARIABLES];
  const sent = steps.reduce((sum, variables) => sum + points(variables) + variables - 1, 0);
  return sumCosts({
    rounds: 2 * steps.length + 1,
    bytes: (sent + 1 - SLICES) * ELEMENT_BYTES + OPENING_BYTES,
  });
}

/** What the verifiers claim: about the next party's products, and about the previous one's. */
interface Claims {
  next: number;
  previous: number;
}

/** A proof of which only the last position is to be opened. */
export interface GateProof {
  /**
   * Opens what is left, once the transcript has been compared.
   * @throws MozaikError PEER_CHEATED
   */
  open(): Promise<void>;
}

/**
 * @param logs products, in an order of which all parties are agreed
 * @param coin public, and tossed when all products are fixed
 * @param opened takes the coins, to be compared before the proof is opened
 */
export async function proveGates(
  session: Session,
  logs: ProductLog[],
  coin: Uint8Array,
  opened: Transcript,
): Promise<GateProof> {
  const { memory, kernels } = session;
  const start = memory.mark();
  const prover = new Prover(session, opened);
  const base = expandCoin(session, coin, 'gates', ELEMENT_BYTES);
  kernels.loadFactor(base);

  const sums = memory.allocateZeros(points(SLICE_VARIABLES) * ELEMENT_BYTES);
  const slices = {
    next: memory.allocateZeros(SLICES * ELEMENT_BYTES),
    previous: memory.allocateZeros(SLICES * ELEMENT_BYTES),
  };
  for (const log of logs) await addGateSums(session, log, sums);
  const known = binaryPoints(SLICE_VARIABLES);
  let point = await prover.step(
    ...([sums, SLICE_VARIABLES, known] as const),
    (values, by) => known.forEach((at, s) => copy(session, slices[by], s, values, at)),
    () => {
      for (const { claims, sliceBytes } of logs) {
        kernels.sliceSums(claims.next, sliceBytes, slices.next);
        kernels.sliceSums(claims.previous, sliceBytes, slices.previous);
      }
    },
  );
  let blocks = blockCount(logs);
  let x = await foldLogs(session, logs, 'x', point, base);
  let y = await foldLogs(session, logs, 'y', point, base);

  while (blocks > FEW_BLOCKS) {
    const step = nextStep(blocks);
    kernels.loadFactor(base);
    point = await prover.stepBySum(blockSums(session, x, y, step), step.variables);
    x = foldBlocks(session, x, step, point);
    y = foldBlocks(session, y, step, point);
    blocks = step.blocks;
  }
  const few = { x: lastBlocks(session, x, blocks, base), y: lastBlocks(session, y, blocks) };
  const variables = lastVariables(blocks);
  kernels.loadFactor(base);
  point = await prover.stepBySum(lastSums(session, few.x, few.y, variables), variables);
  const block = {
    x: foldLast(session, few.x, variables, point),
    y: foldLast(session, few.y, variables, point),
  };

  kernels.loadFactor(base);
  const lanes = { x: elements(session, block.x, true), y: elements(session, block.y, false) };
  const laneSums = elementSums(session, lanes.x, lanes.y, LANE_VARIABLES);
  point = await prover.stepBySum(laneSums, LANE_VARIABLES);
  foldElements(session, lanes.x, LANE_VARIABLES, point);
  foldElements(session, lanes.y, LANE_VARIABLES, point);
  await foldMask(session, prover, lanes.x, lanes.y);
  return { open: () => openProof(session, lanes.x, lanes.y, prover.claims, start) };
}

/** Steps of the proof that all parties take at the same time, in all three roles. */
class Prover {
  /** Pointers to elements. */
  readonly claims: Claims;
  readonly #session: Session;
  readonly #opened: Transcript;

  constructor(session: Session, opened: Transcript) {
    const { memory } = session;
    this.#session = session;
    this.#opened = opened;
    this.claims = {
      next: memory.allocate(ELEMENT_BYTES),
      previous: memory.allocate(ELEMENT_BYTES),
    };
  }

  /**
   * Shares the values at {0, 1, infinity}^variables and tosses a coin for a point; what it says of the
   * polynomials there becomes the claims. 2 rounds.
   *
   * @param values this party's own polynomial
   * @param known which values are not sent, as the verifiers know them
   * @param complete puts these in their places among the values that a verifier holds
   * @param meanwhile what can be done while a message is on its way
   * @returns the point
   */
  async step(
    values: number,
    variables: number,
    known: number[],
    complete: (values: number, by: keyof Claims) => void,
    meanwhile: () => void = () => undefined,
  ): Promise<number> {
    const session = this.#session;
    const { memory, kernels, proof } = session;
    const total = points(variables) * ELEMENT_BYTES;
    const length = total - known.length * ELEMENT_BYTES;
    const sent = Array.from({ length: points(variables) }, (_, n) => n).filter(
      (n) => !known.includes(n),
    );
    const message = memory.allocate(length);
    const from = memory.words(values, 2 * points(variables));
    const packed = memory.words(message, 2 * sent.length);
    sent.forEach((at, n) => {
      packed[2 * n] = from[2 * at];
      packed[2 * n + 1] = from[2 * at + 1];
    });
    kernels.xorBytes(message, proof.next.fill(length), message, length);
    const shares = { next: memory.allocate(length), previous: proof.own.fill(length) };
    const exchanged = session.exchange('previous', message, length, shares.next);
    meanwhile();
    await exchanged;

    const point = await lateCoin(session, this.#opened, variables * ELEMENT_BYTES);
    for (const by of ['next', 'previous'] as const) {
      const held = memory.allocate(total);
      const share = memory.words(shares[by], 2 * sent.length);
      const words = memory.words(held, 2 * points(variables));
      sent.forEach((at, n) => {
        words[2 * at] = share[2 * n];
        words[2 * at + 1] = share[2 * n + 1];
      });
      complete(held, by);
      kernels.interpolate(held, variables, point);
      copy(session, held, 0, this.claims[by], 0);
    }
    return point;
  }

  /** {@link Prover.step} where the values at {0, 1}^variables add up to the claim, which gives the first one. */
  stepBySum(values: number, variables: number): Promise<number> {
    const { memory } = this.#session;
    return this.step(values, variables, [0], (values, by) => {
      const [first, ...others] = binaryPoints(variables).map((at) =>
        memory.words(values + at * ELEMENT_BYTES, 2),
      );
      first.set(memory.words(this.claims[by], 2));
      for (const other of others) other.forEach((word, n) => (first[n] ^= word));
    });
  }
}

/** Folds a random position into the last one, of which each verifier knows a share. */
async function foldMask(session: Session, prover: Prover, x: Factors, y: Factors): Promise<void> {
  const { kernels, proof } = session;
  const [own, next] = [proof.own.fill(2 * ELEMENT_BYTES), proof.next.fill(2 * ELEMENT_BYTES)];
  for (const [n, value] of [x, y].entries()) {
    copy(session, own, n, value.a, 1);
    copy(session, next, n, value.b, 1);
    const second = ELEMENT_BYTES;
    kernels.xorBytes(value.a + second, value.b + second, value.own + second, ELEMENT_BYTES);
  }
  const sums = elementSums(session, x, y, MASK_VARIABLES);
  const point = await prover.step(sums, MASK_VARIABLES, [0], (values, by) => {
    copy(session, prover.claims[by], 0, values, 0);
  });
  foldElements(session, x, MASK_VARIABLES, point);
  foldElements(session, y, MASK_VARIABLES, point);
}

/** Of the next party's proof, this party gets the other share from the party after that, its previous one. */
async function openProof(
  session: Session,
  x: Factors,
  y: Factors,
  claims: Claims,
  start: number,
): Promise<void> {
  const { memory, kernels } = session;
  const [send, held, received] = Array.from({ length: 3 }, () => memory.allocate(OPENING_BYTES));
  [x.a, y.a, claims.previous].forEach((from, n) => copy(session, from, 0, send, n));
  [x.b, y.b, claims.next].forEach((from, n) => copy(session, from, 0, held, n));
  await session.exchange('next', send, OPENING_BYTES, received);
  const isRight = kernels.isProduct(held, received);
  memory.release(start);
  if (!isRight) throw new MozaikError('PEER_CHEATED', 'a proof of gates is wrong');
}
