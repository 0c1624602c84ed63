/**
 * From floating point to the integers of the joint computation, with the proof by measurement that
 * nothing wraps in its ring.
 */
import {
  ACTIVATION_FRACTION_BITS,
  logits,
  RING_BITS,
  WEIGHT_FRACTION_BITS,
  type FixedModel,
} from '@mozaik/mpc';
import { MozaikError } from '@mozaik/protocol';
import { fixedVerdict, floatVerdict } from './evaluate.ts';
import { floatLogits, type FloatModel } from './network.ts';

/** What no value may reach: half of the signed ring, so that one bit of head-room is left. */
export const VALUE_BOUND = 2 ** (RING_BITS - 2);

/** Rounds a model's parameters to `fractionBits`, without looking at what values they lead to. */
export function roundModel(model: FloatModel, name: string, fractionBits: number): FixedModel {
  const last = model.weights.length - 1;
  const one = 2 ** fractionBits;
  // The engine cuts off the low bits after a hidden layer; half a unit in the bias makes it round.
  const half = one / 2;
  return {
    name,
    widths: model.widths,
    fractionBits,
    weights: model.weights.map((layer) => Int32Array.from(layer, (w) => Math.round(w * one))),
    biases: model.biases.map((layer, l) =>
      Int32Array.from(
        layer,
        (b) => Math.round(b * one * 2 ** ACTIVATION_FRACTION_BITS) + (l < last ? half : 0),
      ),
    ),
  };
}

/**
 * Largest magnitude among all pre-activations and all differences of two logits on one window,
 * computed without any modulus.
 */
export function largestValue(model: FixedModel, window: Uint8Array): number {
  let largest = 0;
  let activations = Float64Array.from(window);
  const last = model.weights.length - 1;
  for (let layer = 0; layer <= last; layer++) {
    const inputs = model.widths[layer];
    // Doubles: exact for every sum of products of these widths.
    const outputs = new Float64Array(model.widths[layer + 1]);
    for (let o = 0; o < outputs.length; o++) {
      let sum = model.biases[layer][o];
      for (let i = 0; i < inputs; i++) sum += model.weights[layer][o * inputs + i] * activations[i];
      largest = Math.max(largest, Math.abs(sum));
      outputs[o] = layer === last ? sum : Math.floor(Math.max(0, sum) / 2 ** model.fractionBits);
    }
    activations = outputs;
  }
  const values = Array.from(activations);
  return Math.max(largest, Math.max(...values) - Math.min(...values));
}

/** Whether the parameters are in the ring and all values on these windows leave a bit of head-room. */
export function fits(model: FixedModel, windows: Uint8Array[]): boolean {
  const parameters = [...model.weights, ...model.biases];
  return (
    parameters.every((layer) => layer.every((value) => Math.abs(value) < VALUE_BOUND)) &&
    windows.every((window) => largestValue(model, window) < VALUE_BOUND)
  );
}

/**
 * Quantises with as many fractional bits as leave every value on `windows` (the training data) a bit
 * of head-room in the ring.
 * @throws MozaikError INPUT_FILE when even the fewest bits do not
 */
export function quantise(model: FloatModel, name: string, windows: Uint8Array[]): FixedModel {
  const { min, max } = WEIGHT_FRACTION_BITS;
  for (let fractionBits = max; fractionBits >= min; fractionBits--) {
    const fixed = roundModel(model, name, fractionBits);
    if (fits(fixed, windows)) return fixed;
  }
  throw new MozaikError(
    'INPUT_FILE',
    `the model ${name} leads to values beyond ${RING_BITS} bits on its data; train it with smaller weights`,
  );
}

export interface Agreement {
  /** Part of the windows that twin and floating-point network put into the same class. */
  classes: number;
  /** Largest difference of a logit, in units of the floating-point network. */
  largestLogitError: number;
}

/** Compares the plaintext twin with the floating-point network. @throws RangeError without windows */
export function compare(model: FloatModel, fixed: FixedModel, windows: Uint8Array[]): Agreement {
  if (windows.length === 0) throw new RangeError('there are no windows to compare on');
  const one = 2 ** (ACTIVATION_FRACTION_BITS + fixed.fractionBits);
  let same = 0;
  let largest = 0;
  for (const window of windows) {
    if (floatVerdict(model, window).class === fixedVerdict(fixed, window).class) same++;
    const exact = floatLogits(model, window);
    logits(fixed, window).forEach((value, c) => {
      largest = Math.max(largest, Math.abs(value / one - exact[c]));
    });
  }
  return { classes: same / windows.length, largestLogitError: largest };
}
