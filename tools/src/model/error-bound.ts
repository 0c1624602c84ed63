/**
 * How far the integers of the joint computation can be from the network before rounding, whatever window
 * comes in. Interval analysis as in `bounds.ts`: with W x + b before and V y + c after rounding,
 * V y + c - (W x + b) = (V - W) x + V (y - x) + (c - b). ReLU makes no difference larger, cutting off the
 * fraction adds half a unit of it, and a square turns an error e of z into at most e (2 |z| + e).
 */
import { ACTIVATION_FRACTION_BITS, type FixedModel } from '@mozaik/mpc';
import { largest, rowInterval, type Interval } from './bounds.ts';
import { biasBits } from './fixed.ts';
import type { FloatModel } from './network.ts';

/** Largest value of an input: a byte with 8 fractional bits. */
const INPUT_MAX = 255 / 256;
/** The engine rounds hidden values of ReLU networks to so much. */
const ROUNDING = 2 ** -ACTIVATION_FRACTION_BITS / 2;

export interface ErrorBound {
  /** No logit of any window is further from the one before rounding, on the network's own scale. */
  logit: number;
  /** That as a part of the largest logit that there can be. */
  relative: number;
}

/**
 * @param float the network before rounding, on the scale of the fixed one, in exact arithmetic: single
 *   precision adds less than a thousandth of this bound
 */
export function errorBound(float: FloatModel, fixed: FixedModel): ErrorBound {
  const { activation, widths, weights, biases } = float;
  const last = weights.length - 1;
  let inputs: Interval[] = Array.from({ length: widths[0] }, () => ({ low: 0, high: INPUT_MAX }));
  let errors = new Float64Array(widths[0]);
  let rows: Interval[] = [];
  weights.forEach((layer, l) => {
    const width = widths[l];
    const one = 2 ** fixed.fractionBits;
    const { bits } = biasBits(fixed, activation, l);
    // What makes the cut round is no error.
    const half = activation === 'relu' && l < last ? one / 2 : 0;
    rows = Array.from(biases[l], (bias, o) =>
      rowInterval((i) => layer[o * width + i], bias, inputs),
    );
    const after = Float64Array.from(rows, (_, o) => {
      let error = Math.abs((fixed.biases[l][o] - half) / 2 ** bits - biases[l][o]);
      for (let i = 0; i < width; i++) {
        const rounded = fixed.weights[l][o * width + i] / one;
        error += Math.abs(rounded - layer[o * width + i]) * largest(inputs[i]);
        error += Math.abs(rounded) * errors[i];
      }
      return error;
    });
    if (l === last) {
      errors = after;
    } else if (activation === 'relu') {
      errors = after.map((error) => error + ROUNDING);
      inputs = rows.map(({ low, high }) => ({ low: Math.max(0, low), high: Math.max(0, high) }));
    } else {
      errors = after.map((error, o) => error * (2 * largest(rows[o]) + error));
      inputs = rows.map((row) => ({ low: 0, high: largest(row) ** 2 }));
    }
  });
  const logit = Math.max(...errors);
  return { logit, relative: logit / Math.max(...rows.map(largest)) };
}
