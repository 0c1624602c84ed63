/**
 * Interval analysis: which networks a layout can compute, whatever window comes in. Moore, Kearfott and
 * Cloud, "Introduction to Interval Analysis", SIAM 2009. A value that passes the modulus would come out
 * as another one, without any sign of it.
 */
import { MozaikError } from '@mozaik/protocol';
import { checkNetwork, type SquareNetwork } from './network.ts';
import type { Layout } from './parameters.ts';
import { integerLayers } from './plaintexts.ts';

/** Largest byte of a window. */
const BYTE_MAX = 255;
/** Largest hidden value, so that its square keeps a scale's precision. */
const HIDDEN_MAX = 2 ** 6;
/**
 * Largest sum over hidden units, in whatever order. In the batch layout 2^66 times it has to stay below
 * half of the product of the primes, 2^77, beside the random values in other slots; in the single layout
 * it is what random values of 2^36 have to hide.
 */
const SUM_MAX: Record<Layout, number> = { single: 2 ** 12, batch: 2 ** 10 };
/** Weights of the batch layout are 16-bit integers, of which a sum over 13-bit halves stays below 2^30. */
const INTEGER_MAX = 2 ** 15;
const ROW_MAX = 2 ** 17;
/** Most that rounding may change a unit's weights, relative to their root of squares. */
const ROUNDING_MAX = 1 / 16;

/** What the values of a network can be at the most. */
export interface Bounds {
  hidden: number;
  /** Of any partial sum of a logit. */
  sum: number;
}

export function networkBounds(network: SquareNetwork): Bounds {
  checkNetwork(network);
  const { inputs, inputScale, layers } = network;
  const [first, last] = layers;
  const most = BYTE_MAX * inputScale;
  const hidden = Array.from(first.bias, (bias, unit) => {
    let [low, high] = [bias, bias];
    for (const weight of first.weights.subarray(unit * inputs, (unit + 1) * inputs)) {
      if (weight > 0) high += weight * most;
      else low += weight * most;
    }
    return Math.max(Math.abs(low), Math.abs(high));
  });
  const sums = Array.from(last.bias, (bias, output) =>
    hidden.reduce(
      (sum, value, unit) =>
        sum + Math.abs(last.weights[output * first.outputs + unit]) * value * value,
      Math.abs(bias),
    ),
  );
  return { hidden: Math.max(...hidden), sum: Math.max(...sums) };
}

/**
 * Refuses a network whose values could leave what the scales of a layout hold, or whose weights its
 * scales cannot tell apart.
 * @throws MozaikError HOMOMORPHIC_MODEL
 */
export function checkComputable(network: SquareNetwork, layout: Layout): void {
  const { hidden, sum } = networkBounds(network);
  const refuse = (detail: string): never => {
    throw new MozaikError('HOMOMORPHIC_MODEL', `layout ${layout}: ${detail}`);
  };
  if (hidden > HIDDEN_MAX) {
    refuse(`a hidden value can be ${hidden.toPrecision(3)}, at most ${HIDDEN_MAX} fits`);
  }
  if (sum > SUM_MAX[layout]) {
    refuse(`a sum of squares can be ${sum.toPrecision(3)}, at most ${SUM_MAX[layout]} fits`);
  }
  if (layout === 'single') return;
  const { weights, exact } = integerLayers(network);
  weights.forEach((layer, l) => {
    const { outputs } = network.layers[l];
    const width = layer.length / outputs;
    for (let row = 0; row < outputs; row++) {
      const integers = layer.subarray(row * width, (row + 1) * width);
      const values = exact[l].subarray(row * width, (row + 1) * width);
      let [total, size, error] = [0, 0, 0];
      integers.forEach((integer, i) => {
        if (Math.abs(integer) >= INTEGER_MAX) refuse('a weight is too large for its scale');
        total += Math.abs(integer);
        size += values[i] ** 2;
        error += (values[i] - integer) ** 2;
      });
      if (total >= ROW_MAX) refuse('the weights of a unit are too large for their scale');
      if (error > size * ROUNDING_MAX ** 2) refuse('its weights are too small for their scale');
    }
  });
}
