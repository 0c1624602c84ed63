/**
 * Malicious up to additive errors, 1 of 3 corrupted: dense layers modulo 2^32, one round and 4 bytes
 * for each output and party. Araki et al., CCS 2016; that a corrupted party can but add an error to an
 * output is from Lindell and Nof, CCS 2017. `dense-check.ts` detects errors: it needs the upper 8 bits
 * of each word too, so here they are shared like the 24 that carry the value.
 */
import type { Cost } from './binary.ts';
import { maskWords, roundUp, WORD_BYTES, type DenseLayer } from './ring.ts';
import type { Session, Shares } from './session.ts';

/** Cost of {@link reshare32} of `count` words. */
export const reshare32Cost = (count: number): Cost => ({ rounds: 1, bytes: WORD_BYTES * count });

/**
 * Turns additive shares modulo 2^32 into replicated ones: every party holds one summand of each word in
 * `out.a`; afterwards `out` is a replicated, re-randomised sharing of the sums.
 *
 * @param count number of words; their memory must be padded to a multiple of 4
 */
export async function reshare32(session: Session, out: Shares, count: number): Promise<void> {
  maskWords(session, out.a, roundUp(count, 4));
  await session.exchange('previous', out.a, count * WORD_BYTES, out.b);
}

/** A layer with both shares of all parameters. */
export interface VerifiedDenseLayer extends DenseLayer {
  /** [outputs]: share b. */
  biasNext: number;
}

/** A layer that was computed: z = W x + bias, to be checked by `checkDense`. */
export interface DenseRecord {
  layer: VerifiedDenseLayer;
  /** [inputs][lanes] */
  x: Shares;
  /** [outputs][lanes] */
  z: Shares;
  lanes: number;
}

export const denseVerifiedCost = (outputs: number, lanes: number): Cost =>
  reshare32Cost(outputs * lanes);

/**
 * W x + bias for every lane, like `dense`, but modulo 2^32.
 * @returns what the check needs: `x` and `out` must stay in memory, unchanged, until then
 */
export async function denseVerified(
  session: Session,
  layer: VerifiedDenseLayer,
  x: Shares,
  out: Shares,
  lanes: number,
): Promise<DenseRecord> {
  const { weightsOwn, weightsSum, bias, inputs, outputs } = layer;
  session.kernels.dense(x.a, x.b, weightsOwn, weightsSum, bias, out.a, inputs, outputs, lanes);
  await reshare32(session, out, outputs * lanes);
  return { layer, x, z: out, lanes };
}
