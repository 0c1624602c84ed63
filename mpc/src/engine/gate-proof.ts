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
 * A cheat passes with probability at most (2 W + 2 V) / 2^64 for W words of a slice and V variables in all,
 * as a polynomial of degree d has at most d roots: that is below 2^-47 for a slice of 512 KiB.
 *
 * All that a prover sends goes to its previous party, so that late coins will do for the points.
 */
import { MozaikError } from '@mozaik/protocol';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sumCosts, type Cost } from './binary.ts';
import { expandCoin, lateCoin } from './coin.ts';
import { sliceBytes, SLICES, type Factors, type ProductLog } from './gate-log.ts';
import type { Session } from './session.ts';
import type { Transcript } from './transcript.ts';

const ELEMENT_BYTES = 8;
/** 128 elements in bit planes. */
const BLOCK_BYTES = 1024;
const VECTOR_BYTES = 16;
/** Blocks, and words, of a cache line of each slice: until the last step blocks have one weight for a cycle. */
const CYCLE_BLOCKS = 4;
const CYCLE_WORDS = 8;
/** Rows of bits of a product with one element. */
const ROWS_BYTES = 512;

/** 2^7 slices. */
const SLICE_VARIABLES = 7;
/** 2^7 elements to a block. */
const LANE_VARIABLES = 7;
const MASK_VARIABLES = 1;
/** More variables at a time mean more work, and fewer rounds: for many blocks work counts. */
const MANY_BLOCKS = 256;
const FEW_BLOCKS = 16;
/** What a kernel does before the event loop gets its turn: some milliseconds. */
const SUM_BYTES = 8192;
const FOLD_CYCLES = 512;

/** Share of x, of y and of the claim, of the position that is left. */
const OPENING_BYTES = 3 * ELEMENT_BYTES;

const points = (variables: number): number => 3 ** variables;

/** Where the points of {0, 1}^variables stand among those of {0, 1, infinity}^variables. */
const binaryPoints = (variables: number): number[] =>
  Array.from({ length: 2 ** variables }, (_, n) => Number.parseInt(n.toString(2), 3));

/** Folds 2^variables parts of `blocks` blocks each. */
interface BlockStep {
  variables: number;
  /** A multiple of CYCLE_BLOCKS. */
  blocks: number;
}

/** The step that folds many blocks. */
function nextStep(blocks: number): BlockStep {
  const variables = blocks > MANY_BLOCKS ? 2 : 3;
  const cycles = Math.ceil(blocks / CYCLE_BLOCKS / 2 ** variables);
  return { variables, blocks: cycles * CYCLE_BLOCKS };
}

/** Variables of the step that folds few blocks into one. */
const lastVariables = (blocks: number): number => Math.ceil(Math.log2(blocks));

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
  const point = await prover.step(
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
    const sums = blockSums(session, x, y, step);
    const point = await prover.step(sums, step.variables, [0], prover.sumRule(step.variables));
    x = foldBlocks(session, x, step, point);
    y = foldBlocks(session, y, step, point);
    blocks = step.blocks;
  }
  const few = { x: lastBlocks(session, x, blocks, base), y: lastBlocks(session, y, blocks) };
  const variables = lastVariables(blocks);
  kernels.loadFactor(base);
  const sumsOfFew = memory.allocate(points(variables) * ELEMENT_BYTES);
  pointSums(session, few.x.own, few.y.own, { variables, blocks: 1 }, 1, sumsOfFew);
  const pointOfFew = await prover.step(sumsOfFew, variables, [0], prover.sumRule(variables));
  const block = {
    x: foldLast(session, few.x, variables, pointOfFew),
    y: foldLast(session, few.y, variables, pointOfFew),
  };

  kernels.loadFactor(base);
  const lanes = { x: elements(session, block.x, true), y: elements(session, block.y, false) };
  const sumsOfLanes = elementSums(session, lanes.x.own, lanes.y.own, LANE_VARIABLES);
  const point7 = await prover.step(
    sumsOfLanes,
    LANE_VARIABLES,
    [0],
    prover.sumRule(LANE_VARIABLES),
  );
  foldElements(session, lanes.x, LANE_VARIABLES, point7);
  foldElements(session, lanes.y, LANE_VARIABLES, point7);
  await foldMask(session, prover, lanes.x, lanes.y);
  return { open: () => openProof(session, lanes.x, lanes.y, prover.claims, start) };
}

const blockCount = (logs: ProductLog[]): number =>
  logs.reduce((sum, log) => sum + log.sliceBytes, 0) / VECTOR_BYTES;

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

  /** Values at all points of {0, 1}^variables add up to the claim: this gives the first. */
  sumRule(variables: number): (values: number, by: keyof Claims) => void {
    const { memory } = this.#session;
    return (values, by) => {
      const [first, ...others] = binaryPoints(variables).map((at) =>
        memory.words(values + at * ELEMENT_BYTES, 2),
      );
      first.set(memory.words(this.claims[by], 2));
      for (const other of others) other.forEach((word, n) => (first[n] ^= word));
    };
  }
}

function copyBytes({ memory }: Session, from: number, to: number, length: number): void {
  memory.bytes(to, length).set(memory.bytes(from, length));
}

/** Copies element `n` at `from` to element `m` at `to`. */
function copy(session: Session, from: number, n: number, to: number, m: number): void {
  copyBytes(session, from + n * ELEMENT_BYTES, to + m * ELEMENT_BYTES, ELEMENT_BYTES);
}

/** Adds this party's own products, weighted, at each point. */
async function addGateSums(
  { memory, kernels }: Session,
  { x, y, sliceBytes }: ProductLog,
  sums: number,
): Promise<void> {
  const mark = memory.mark();
  const scratch = memory.allocate(kernels.gateSumsScratch());
  const streams = ({ a, b, own }: Factors) => (own === 0 ? ([a, b] as const) : ([own, 0] as const));
  for (let from = 0; from < sliceBytes; from += SUM_BYTES) {
    if (from > 0) await nextTurn();
    const to = Math.min(sliceBytes, from + SUM_BYTES);
    kernels.gateSums(...streams(x), ...streams(y), sliceBytes, from, to, scratch, sums);
  }
  memory.release(mark);
}

/** One factor of all positions that are left, in blocks: what this party knows of its neighbours' ones, and its own. */
interface Positions {
  /** What this party knows of the previous party's. */
  a: number;
  /** What this party knows of the next party's. */
  b: number;
  /** What is to be added to both for this party's own, in blocks from `first` on; it is zero before. */
  rest: number;
  first: number;
}

/** One factor of all products at the point: a 128th of the positions; x is weighted. */
async function foldLogs(
  session: Session,
  logs: ProductLog[],
  factor: 'x' | 'y',
  point: number,
  base: number,
): Promise<Positions> {
  const { memory, kernels } = session;
  const total = blockCount(logs);
  const first = blockCount(logs.slice(0, logs.findLastIndex((log) => log[factor].own === 0) + 1));
  const folded = {
    a: allocateBlocks(session, 0, total),
    b: allocateBlocks(session, 0, total),
    rest: allocateBlocks(session, first, total),
    first,
  };
  const mark = memory.mark();
  const initial = memory.allocate(SLICES * ELEMENT_BYTES);
  const weights = memory.allocate(SLICES * ELEMENT_BYTES);
  const scratch = memory.allocate(kernels.foldScratch());
  const power = memory.allocate(ELEMENT_BYTES);
  copy(session, base, 0, power, 0);
  for (let n = 1; n < CYCLE_WORDS; n *= 2) kernels.multiplyElements(power, power, power);
  kernels.loadFactor(power);
  kernels.weightsAt(point, SLICE_VARIABLES, initial);

  // The last cycle weighs least. Blocks of the same products have the same weights.
  let end = total;
  for (const { [factor]: streams, sliceBytes } of logs.toReversed()) {
    const blocks = sliceBytes / VECTOR_BYTES;
    const cycles = blocks / CYCLE_BLOCKS;
    end -= blocks;
    const fold = async (one: number, other: number, outOne: number, outOther: number) => {
      copyBytes(session, initial, weights, SLICES * ELEMENT_BYTES);
      for (let to = cycles; to > 0; to -= FOLD_CYCLES) {
        if (to < cycles) await nextTurn();
        const from = Math.max(0, to - FOLD_CYCLES);
        kernels.foldSlices(
          ...([one, other, sliceBytes, from, to, weights, factor === 'x'] as const),
          ...([scratch, outOne, outOther] as const),
        );
      }
    };
    const [a, b] = [folded.a + end * BLOCK_BYTES, folded.b + end * BLOCK_BYTES];
    await fold(streams.a, streams.b, a, b);
    if (streams.own !== 0) {
      const rest = folded.rest + (end - first) * BLOCK_BYTES;
      await fold(streams.own, 0, rest, 0);
      kernels.xorBytes(rest, a, rest, blocks * BLOCK_BYTES);
      kernels.xorBytes(rest, b, rest, blocks * BLOCK_BYTES);
    }
    copyBytes(session, weights, initial, SLICES * ELEMENT_BYTES);
  }
  memory.release(mark);
  return folded;
}

/** Room for blocks first <= n < last, and for blocks of zeros that make them as many as the next step folds. */
function allocateBlocks({ memory }: Session, first: number, last: number): number {
  const { variables, blocks } = nextStep(last);
  const room = 2 ** variables * blocks;
  const pointer = memory.allocate((room - first) * BLOCK_BYTES);
  memory.bytes(pointer + (last - first) * BLOCK_BYTES, (room - last) * BLOCK_BYTES).fill(0);
  return pointer;
}

/** This party's own positions, of `blocks` blocks. */
function ownBlocks({ memory, kernels }: Session, { a, b, rest, first }: Positions, blocks: number) {
  const own = memory.allocate(blocks * BLOCK_BYTES);
  kernels.xorBytes(a, b, own, blocks * BLOCK_BYTES);
  const last = own + first * BLOCK_BYTES;
  kernels.xorBytes(last, rest, last, (blocks - first) * BLOCK_BYTES);
  return own;
}

/** The sum of all products at each point. */
function blockSums(session: Session, x: Positions, y: Positions, step: BlockStep): number {
  const { memory } = session;
  const sums = memory.allocate(points(step.variables) * ELEMENT_BYTES);
  const mark = memory.mark();
  const [xs, ys] = [x, y].map((from) =>
    ownBlocks(session, from, 2 ** step.variables * step.blocks),
  );
  pointSums(session, xs, ys, step, CYCLE_BLOCKS, sums);
  memory.release(mark);
  return sums;
}

/** The sum of the products of this party's own blocks at each point, into `sums`. */
function pointSums(
  { memory, kernels }: Session,
  x: number,
  y: number,
  { variables, blocks }: BlockStep,
  cycle: number,
  sums: number,
): void {
  const mark = memory.mark();
  const scratch = memory.allocate(kernels.blockSumScratch());
  for (let point = 0; point < points(variables); point++) {
    const out = sums + point * ELEMENT_BYTES;
    kernels.blockSum(x, y, blocks, cycle, variables, point, scratch, out);
  }
  memory.release(mark);
}

/** 2^variables parts of `blocks` blocks as one, at the point. */
function foldBlocks(
  session: Session,
  from: Positions,
  { variables, blocks }: BlockStep,
  point: number,
): Positions {
  const { memory, kernels } = session;
  const parts = 2 ** variables;
  const lastPart = (parts - 1) * blocks;
  const first = Math.max(0, from.first - lastPart);
  const folded = {
    a: allocateBlocks(session, 0, blocks),
    b: allocateBlocks(session, 0, blocks),
    rest: allocateBlocks(session, first, blocks),
    first,
  };
  const mark = memory.mark();
  const weights = memory.allocate(parts * ELEMENT_BYTES);
  const rows = memory.allocate(parts * ROWS_BYTES);
  const scratch = memory.allocate(kernels.foldScratch());
  kernels.weightsAt(point, variables, weights);
  kernels.foldBlocks(
    ...([from.a, from.b, blocks, blocks, parts, weights] as const),
    ...([rows, scratch, folded.a, folded.b] as const),
  );
  const foldRest = (rest: number, count: number, terms: number, weights: number): void => {
    // Two arrays side by side: the first half and the second one.
    const half = (count / 2) * BLOCK_BYTES;
    kernels.foldBlocks(
      ...([rest, rest + half, blocks, count / 2, terms, weights] as const),
      ...([rows, scratch, folded.rest, folded.rest + half] as const),
    );
  };
  if (from.first >= lastPart) {
    foldRest(from.rest, blocks - first, 1, weights + (parts - 1) * ELEMENT_BYTES);
  } else {
    const rest = memory.allocateZeros(parts * blocks * BLOCK_BYTES);
    const length = (parts * blocks - from.first) * BLOCK_BYTES;
    copyBytes(session, from.rest, rest + from.first * BLOCK_BYTES, length);
    foldRest(rest, blocks, parts, weights);
  }
  memory.release(mark);
  return folded;
}

/**
 * The few blocks of the last step, as many as it folds. Those of x get the weights that they did not have so far,
 * each by its place in a cycle.
 *
 * @param base given for x
 */
function lastBlocks(session: Session, from: Positions, count: number, base?: number): Factors {
  const { memory, kernels } = session;
  const length = count * BLOCK_BYTES;
  const [a, b, own] = [from.a, from.b, ownBlocks(session, from, count)].map((source) => {
    const blocks = memory.allocateZeros(2 ** lastVariables(count) * BLOCK_BYTES);
    copyBytes(session, source, blocks, length);
    return blocks;
  });
  if (base === undefined) return { a, b, own };
  const mark = memory.mark();
  const squared = memory.allocate(ELEMENT_BYTES);
  const weight = memory.allocate(ELEMENT_BYTES);
  const scratch = memory.allocate(kernels.foldScratch());
  kernels.multiplyElements(base, base, squared);
  // A block is two words; the last one of a cycle has its weight.
  for (let place = CYCLE_BLOCKS - 2; place >= 0; place--) {
    if (place === CYCLE_BLOCKS - 2) copy(session, squared, 0, weight, 0);
    else kernels.multiplyElements(weight, squared, weight);
    for (let n = place; n < count; n += CYCLE_BLOCKS) {
      for (const blocks of [a, b, own]) {
        const block = blocks + n * BLOCK_BYTES;
        kernels.scaleBlock(block, weight, scratch, block);
      }
    }
  }
  memory.release(mark);
  return { a, b, own };
}

/** 2^variables blocks as one, at the point. */
function foldLast(session: Session, from: Factors, variables: number, point: number): Factors {
  const { memory, kernels } = session;
  const [a, b, own] = [from.a, from.b, from.own].map((blocks) => {
    const sum = memory.allocateZeros(BLOCK_BYTES);
    const mark = memory.mark();
    const weights = memory.allocate(2 ** variables * ELEMENT_BYTES);
    const product = memory.allocate(BLOCK_BYTES);
    const scratch = memory.allocate(kernels.foldScratch());
    kernels.weightsAt(point, variables, weights);
    for (let n = 0; n < 2 ** variables; n++) {
      const block = blocks + n * BLOCK_BYTES;
      kernels.scaleBlock(block, weights + n * ELEMENT_BYTES, scratch, product);
      kernels.xorBytes(sum, product, sum, BLOCK_BYTES);
    }
    memory.release(mark);
    return sum;
  });
  return { a, b, own };
}

/** A block's elements. */
function elements({ memory, kernels }: Session, block: Factors, isWeighted: boolean): Factors {
  const [a, b, own] = [block.a, block.b, block.own].map((from) => {
    const out = memory.allocate(BLOCK_BYTES);
    kernels.elements(from, isWeighted, out);
    return out;
  });
  return { a, b, own };
}

/** The product at each point, of 2^variables elements. */
function elementSums(
  { memory, kernels }: Session,
  x: number,
  y: number,
  variables: number,
): number {
  const sums = memory.allocate(points(variables) * ELEMENT_BYTES);
  const mark = memory.mark();
  const count = 2 ** variables;
  const scratch = memory.allocate(2 * count * ELEMENT_BYTES);
  kernels.elementProducts(count, points(variables) / 3, x, y, sums, scratch);
  memory.release(mark);
  return sums;
}

function foldElements(
  { kernels }: Session,
  { a, b, own }: Factors,
  variables: number,
  point: number,
): void {
  for (const values of [a, b, own]) kernels.foldElements(values, variables, point);
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
  const sums = elementSums(session, x.own, y.own, MASK_VARIABLES);
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
