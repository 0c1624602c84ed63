/**
 * Positions of a proof of gates (`gate-proof.ts`), and what each party does with them by itself: sums of
 * products at points, and folding, by which many positions become few. No communication.
 *
 * A block is 128 positions in bit planes. Its weight is that of its first position; four blocks make a cycle,
 * and in all steps but the last one the weights of x are those of cycles, so that a product with a weight serves
 * four blocks. The place in a cycle counts when sums are put together, and in the last step.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SLICES, type Factors, type ProductLog } from './gate-log.ts';
import type { Session } from './session.ts';

export const ELEMENT_BYTES = 8;
/** 128 elements in bit planes. */
const BLOCK_BYTES = 1024;
export const VECTOR_BYTES = 16;
/** Blocks, and words, of a cache line of each slice: until the last step blocks have one weight for a cycle. */
const CYCLE_BLOCKS = 4;
const CYCLE_WORDS = 8;
/** Rows of bits of a product with one element. */
const ROWS_BYTES = 512;

/** 2^7 slices. */
export const SLICE_VARIABLES = 7;
/** More variables at a time mean more work, and fewer rounds: for many blocks work counts. */
const MANY_BLOCKS = 256;
export const FEW_BLOCKS = 16;
/** What a kernel does before the event loop gets its turn: some milliseconds. */
const SUM_BYTES = 8192;
const FOLD_CYCLES = 512;

export const points = (variables: number): number => 3 ** variables;

/** Folds 2^variables parts of `blocks` blocks each. */
export interface BlockStep {
  variables: number;
  /** A multiple of CYCLE_BLOCKS. */
  blocks: number;
}

/** The step that folds many blocks. */
export function nextStep(blocks: number): BlockStep {
  const variables = blocks > MANY_BLOCKS ? 2 : 3;
  const cycles = Math.ceil(blocks / CYCLE_BLOCKS / 2 ** variables);
  return { variables, blocks: cycles * CYCLE_BLOCKS };
}

/** Variables of the step that folds few blocks into one. */
export const lastVariables = (blocks: number): number => Math.ceil(Math.log2(blocks));

export const blockCount = (logs: ProductLog[]): number =>
  logs.reduce((sum, log) => sum + log.sliceBytes, 0) / VECTOR_BYTES;

/** Copies element `n` at `from` to element `m` at `to`. */
export function copy({ memory }: Session, from: number, n: number, to: number, m: number): void {
  memory.copy(from + n * ELEMENT_BYTES, to + m * ELEMENT_BYTES, ELEMENT_BYTES);
}

/** Adds this party's own products, weighted, at each point. */
export async function addGateSums(
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
export interface Positions {
  /** What this party knows of the previous party's. */
  a: number;
  /** What this party knows of the next party's. */
  b: number;
  /** What is to be added to both for this party's own, in blocks from `first` on; it is zero before. */
  rest: number;
  first: number;
}

/** One factor of all products at the point: a 128th of the positions; x is weighted. */
export async function foldLogs(
  session: Session,
  logs: ProductLog[],
  factor: 'x' | 'y',
  point: number,
  base: number,
): Promise<Positions> {
  const { memory, kernels } = session;
  const total = blockCount(logs);
  const first = blockCount(logs.slice(0, logs.findLastIndex((log) => log[factor].own === 0) + 1));
  const folded = allocatePositions(session, first, total);
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
      memory.copy(initial, weights, SLICES * ELEMENT_BYTES);
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
    memory.copy(weights, initial, SLICES * ELEMENT_BYTES);
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

/** Room for `blocks` blocks, of which those of `rest` begin at `first`. */
const allocatePositions = (session: Session, first: number, blocks: number): Positions => ({
  a: allocateBlocks(session, 0, blocks),
  b: allocateBlocks(session, 0, blocks),
  rest: allocateBlocks(session, first, blocks),
  first,
});

/** This party's own positions, of `blocks` blocks. */
function ownBlocks({ memory, kernels }: Session, { a, b, rest, first }: Positions, blocks: number) {
  const own = memory.allocate(blocks * BLOCK_BYTES);
  kernels.xorBytes(a, b, own, blocks * BLOCK_BYTES);
  const last = own + first * BLOCK_BYTES;
  kernels.xorBytes(last, rest, last, (blocks - first) * BLOCK_BYTES);
  return own;
}

/** The sum of all products at each point. */
export function blockSums(session: Session, x: Positions, y: Positions, step: BlockStep): number {
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
export function foldBlocks(
  session: Session,
  from: Positions,
  { variables, blocks }: BlockStep,
  point: number,
): Positions {
  const { memory, kernels } = session;
  const parts = 2 ** variables;
  const lastPart = (parts - 1) * blocks;
  const first = Math.max(0, from.first - lastPart);
  const folded = allocatePositions(session, first, blocks);
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
    memory.copy(from.rest, rest + from.first * BLOCK_BYTES, length);
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
export function lastBlocks(
  session: Session,
  from: Positions,
  count: number,
  base?: number,
): Factors {
  const { memory, kernels } = session;
  const length = count * BLOCK_BYTES;
  const [a, b, own] = [from.a, from.b, ownBlocks(session, from, count)].map((source) => {
    const blocks = memory.allocateZeros(2 ** lastVariables(count) * BLOCK_BYTES);
    memory.copy(source, blocks, length);
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

/** The product at each point, of 2^variables blocks. */
export function lastSums(session: Session, x: Factors, y: Factors, variables: number): number {
  const sums = session.memory.allocate(points(variables) * ELEMENT_BYTES);
  pointSums(session, x.own, y.own, { variables, blocks: 1 }, 1, sums);
  return sums;
}

/** 2^variables blocks as one, at the point. */
export function foldLast(
  session: Session,
  from: Factors,
  variables: number,
  point: number,
): Factors {
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
export function elements(
  { memory, kernels }: Session,
  block: Factors,
  isWeighted: boolean,
): Factors {
  const [a, b, own] = [block.a, block.b, block.own].map((from) => {
    const out = memory.allocate(BLOCK_BYTES);
    kernels.elements(from, isWeighted, out);
    return out;
  });
  return { a, b, own };
}

/** The product at each point, of 2^variables elements. */
export function elementSums(
  { memory, kernels }: Session,
  x: Factors,
  y: Factors,
  variables: number,
): number {
  const sums = memory.allocate(points(variables) * ELEMENT_BYTES);
  const mark = memory.mark();
  const count = 2 ** variables;
  const scratch = memory.allocate(2 * count * ELEMENT_BYTES);
  kernels.elementProducts(count, points(variables) / 3, x.own, y.own, sums, scratch);
  memory.release(mark);
  return sums;
}

export function foldElements(
  { kernels }: Session,
  { a, b, own }: Factors,
  variables: number,
  point: number,
): void {
  for (const values of [a, b, own]) kernels.foldElements(values, variables, point);
}
