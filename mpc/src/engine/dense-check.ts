/**
 * Malicious, 1 of 3 corrupted, abort: that all dense layers of a batch were computed correctly, at
 * 3 rounds and 36 bytes for each input of a layer and party (and 72 more), whatever the lanes.
 * Freivalds, "Fast Probabilistic Algorithms", 1979, compresses all products to one dot product;
 * sacrificing a random one checks it, after Chida et al., CRYPTO 2018, with the errors modulo 2^k of
 * Abspoel et al., "An Efficient Passive-to-Active Compiler for Honest-Majority MPC over Rings", ACNS
 * 2021.
 *
 * For public random sigma and rho, u = sigma^T W and v = X rho are local, and so is
 * T = sigma^T (Z - bias) rho, which must be u . v. For random shared a, the parties compute c = a . v;
 * then chi is tossed, d = chi u - a is opened, and chi T - c - d . v must be zero. All modulo 2^32.
 *
 * Soundness. A corrupted party can add errors E to Z, before sigma and rho are tossed, and e to c,
 * before chi is; the check passes if chi f = e with f = sigma^T E rho. E does harm if it has an entry
 * that is not zero modulo 2^24. Then E = 2^(32-k) E' with k >= 9 and an odd entry E'_ij, and the check
 * passes if chi f' = e' modulo 2^k, with f' = sigma^T E' rho. Write val for the number of factors 2
 * modulo 2^k, at most k.
 * - w = E' rho has an entry w_i that is uniform, as rho_j is; so P(val w >= m) <= 2^-m for the least
 *   valuation of w, and given w, f' is uniform among the multiples of 2^(val w). So at worst f' is the
 *   product of two uniform values: P(val f' >= s) <= (s + 2) / 2^(s+1), with equality if E' has one
 *   entry that is not zero.
 * - Given f', chi f' is uniform among the multiples of 2^(val f'), so chi f' = e' with probability at
 *   most 2^(val f' - k), whatever e' is. Zero is as good as any.
 * - Together: sum over s < k of (s + 1) / 2^(s+2) 2^(s-k), plus (k + 2) / 2^(k+1), which is
 *   (k^2 + 5 k + 8) / 2^(k+3): for k = 9 that is 134 / 4096, and less for greater k.
 * Repetitions are independent given E, so their probabilities multiply: 9 of them give 2^-44.4. (With
 * chi always odd each would pass with probability 28 / 512, and 10 would be needed.) An error in the
 * opening of d is for {@link Checks.openWords} to detect. Errors in the upper 8 bits only, which do no
 * harm, may pass.
 *
 * Privacy: d is masked by a, and the value compared with zero is chi f - e, which the corrupted party
 * knows beforehand.
 */
import { sumCosts, type Cost } from './binary.ts';
import type { Checks } from './checks.ts';
import { expandCoin, lateCoinCost } from './coin.ts';
import { roundUp, WORD_BYTES } from './ring.ts';
import type { Session, Shares } from './session.ts';
import {
  reshare32,
  reshare32Cost,
  type DenseRecord,
  type VerifiedDenseLayer,
} from './verified-dense.ts';

/** Bits that an error needs to do harm: a value's lowest 24 of 32 bits are checked with 9 or more. */
export const LEAST_ERROR_BITS = 9;

/** Independent repetitions; the kernel computes three at a time. */
export const REPETITIONS = 9;

/**
 * Exact probability that one repetition passes in spite of the best error of the form 2^(32-bits) E',
 * where E' has an odd entry.
 */
export const passProbability = (bits: number): number =>
  (bits ** 2 + 5 * bits + 8) / 2 ** (bits + 3);

/** The records of one layer, side by side, and where the layer begins in the concatenation of all. */
interface Block {
  layer: VerifiedDenseLayer;
  records: DenseRecord[];
  lanes: number;
  firstInput: number;
  firstOutput: number;
}

/** All layers as one block-diagonal matrix. */
interface Layout {
  blocks: Block[];
  inputs: number;
  outputs: number;
  /** Those of the widest block. */
  lanes: number;
}

function layoutOf(records: DenseRecord[]): Layout {
  const layout: Layout = { blocks: [], inputs: 0, outputs: 0, lanes: 0 };
  const byLayer = new Map<VerifiedDenseLayer, Block>();
  for (const record of records) {
    const { layer, lanes } = record;
    let block = byLayer.get(layer);
    if (!block) {
      const { inputs, outputs } = layout;
      block = { layer, records: [], lanes: 0, firstInput: inputs, firstOutput: outputs };
      byLayer.set(layer, block);
      layout.blocks.push(block);
      layout.inputs += layer.inputs;
      layout.outputs += layer.outputs;
    }
    block.records.push(record);
    block.lanes += lanes;
    layout.lanes = Math.max(layout.lanes, block.lanes);
  }
  return layout;
}

const CHI_BYTES = REPETITIONS * WORD_BYTES;

/** Cost of {@link checkDense} for layers of `inputs` inputs in total. */
export const denseCheckCost = (inputs: number): Cost =>
  sumCosts(reshare32Cost(REPETITIONS), lateCoinCost(CHI_BYTES), {
    rounds: 1,
    bytes: WORD_BYTES * REPETITIONS * inputs,
  });

/**
 * Checks all records with a coin that was tossed once every one was computed. Records of the same layer, such as those of a
 * batch's chunks, are compressed together. Lanes that only pad a row are checked too, so they must be
 * replicated shares like the others.
 */
export async function checkDense(
  session: Session,
  records: DenseRecord[],
  coin: Uint8Array,
  checks: Checks,
): Promise<void> {
  if (records.length === 0) return;
  const { memory, kernels, proof } = session;
  const mark = memory.mark();
  const layout = layoutOf(records);
  const { inputs } = layout;
  const count = REPETITIONS * inputs;
  const length = roundUp(count, 4) * WORD_BYTES;
  const u = session.allocate(length);
  const v = session.allocateZeros(length);
  const t = session.allocate(REPETITIONS * WORD_BYTES);
  compress(session, layout, coin, u, v, t);

  const a = { a: proof.own.fill(length), b: proof.next.fill(length) };
  const c = session.allocate(roundUp(REPETITIONS, 4) * WORD_BYTES);
  const ofRepetition = (vectors: number, r: number) =>
    memory.words(vectors + r * inputs * WORD_BYTES, inputs);
  for (let r = 0; r < REPETITIONS; r++) {
    const [aOwn, vOwn] = [ofRepetition(a.a, r), ofRepetition(v.a, r)];
    const [aNext, vNext] = [ofRepetition(a.b, r), ofRepetition(v.b, r)];
    const summand = dot(aOwn, vOwn) + dot(aOwn, vNext) + dot(aNext, vOwn);
    memory.words(c.a, REPETITIONS)[r] = summand;
  }
  await reshare32(session, c, REPETITIONS);

  // Each party has sent its summands of c, which are all that chi must not be known to, to its previous one.
  const chi = await checks.lateCoin(CHI_BYTES);
  const d = u;
  for (const share of ['a', 'b'] as const) {
    for (let r = 0; r < REPETITIONS; r++) {
      const row = u[share] + r * inputs * WORD_BYTES;
      kernels.combineRows(chi + r * WORD_BYTES, row, 1, inputs, row);
    }
    kernels.subtractWords(u[share], a[share], d[share], length / WORD_BYTES);
  }
  const opened = await checks.openWords(d, count);
  for (const share of ['a', 'b'] as const) {
    const factors = memory.words(chi, REPETITIONS);
    const products = memory.words(c[share], REPETITIONS);
    const difference = memory.words(t[share], REPETITIONS);
    for (let r = 0; r < REPETITIONS; r++) {
      const known = dot(opened.subarray(r * inputs, (r + 1) * inputs), ofRepetition(v[share], r));
      difference[r] = Math.imul(factors[r], difference[r]) - products[r] - known;
    }
  }
  checks.expectZeroWords(t, REPETITIONS);
  memory.release(mark);
}

/** Sets u = sigma^T W and t = sigma^T (Z - bias) rho, and adds X rho to v, for every repetition. */
function compress(
  session: Session,
  { blocks, inputs, outputs, lanes }: Layout,
  coin: Uint8Array,
  u: Shares,
  v: Shares,
  t: Shares,
): void {
  const { memory, kernels } = session;
  const mark = memory.mark();
  const count = REPETITIONS * (lanes + outputs);
  const rho = expandCoin(session, coin, 'dense', count * WORD_BYTES);
  const sigma = rho + REPETITIONS * lanes * WORD_BYTES;
  const zRho = session.allocateZeros(REPETITIONS * outputs * WORD_BYTES);
  for (const { layer, records, firstInput, firstOutput } of blocks) {
    let lane = rho;
    for (const record of records) {
      for (const share of ['a', 'b'] as const) {
        for (const [rows, height, out, stride] of [
          [record.x[share], layer.inputs, v[share] + firstInput * WORD_BYTES, inputs],
          [record.z[share], layer.outputs, zRho[share] + firstOutput * WORD_BYTES, outputs],
        ]) {
          kernels.rowsTimesVectors(
            rows,
            height,
            record.lanes,
            lane,
            REPETITIONS,
            lanes * WORD_BYTES,
            out,
            stride * WORD_BYTES,
          );
        }
      }
      lane += record.lanes * WORD_BYTES;
    }
    for (let r = 0; r < REPETITIONS; r++) {
      const weights = sigma + (r * outputs + firstOutput) * WORD_BYTES;
      const at = (r * inputs + firstInput) * WORD_BYTES;
      kernels.combineRows(weights, layer.weightsOwn, layer.outputs, layer.inputs, u.a + at);
      kernels.combineRows(weights, layer.weightsSum, layer.outputs, layer.inputs, u.b + at);
    }
  }
  // The weights' second share is their sum without the first.
  kernels.subtractWords(u.b, u.a, u.b, roundUp(REPETITIONS * inputs, 4));

  for (let r = 0; r < REPETITIONS; r++) {
    const lanesOf = (count: number) => memory.words(rho + r * lanes * WORD_BYTES, count);
    const rhoSums = blocks.map((block) => sum(lanesOf(block.lanes)));
    for (const share of ['a', 'b'] as const) {
      const row = r * outputs * WORD_BYTES;
      const zs = memory.words(zRho[share] + row, outputs);
      blocks.forEach(({ layer, firstOutput }, n) => {
        const bias = memory.words(share === 'a' ? layer.bias : layer.biasNext, layer.outputs);
        bias.forEach((value, o) => (zs[firstOutput + o] -= Math.imul(value, rhoSums[n])));
      });
      memory.words(t[share], REPETITIONS)[r] = dot(memory.words(sigma + row, outputs), zs);
    }
  }
  memory.release(mark);
}

/** Modulo 2^32. */
const sum = (x: Uint32Array): number => x.reduce((total, value) => (total + value) | 0, 0);

/** Modulo 2^32. */
function dot(x: Uint32Array, y: Uint32Array): number {
  let total = 0;
  for (let i = 0; i < x.length; i++) total = (total + Math.imul(x[i], y[i])) | 0;
  return total;
}
