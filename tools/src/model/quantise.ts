/**
 * From floating point to the integers of the joint computation, with the proof that nothing leaves
 * its ring: by interval analysis for every window there can be, and on the training data besides.
 */
import {
  ACTIVATION_FRACTION_BITS,
  RING_BITS,
  WEIGHT_FRACTION_BITS,
  type FixedModel,
} from '@mozaik/mpc';
import { MozaikError } from '@mozaik/protocol';
import { isProven, largest, rowInterval, valueBound } from './bounds.ts';
import { floatVerdict } from './evaluate.ts';
import { biasBits, fixedClass, fixedLogits, logitFractionBits } from './fixed.ts';
import { floatLogits, type Activation, type FloatModel } from './network.ts';

/** Part of the ring that balanced values may fill, so that rounding the parameters stays inside. */
const FILL = 0.97;
/** Windows that the number of fraction bits is chosen on. */
const TRIALS = 3000;
/** Least part of the classes that the integers have to leave as they were. */
const LEAST_AGREEMENT = 0.95;
/** Squares double the fractional bits; more than this never fits. */
const SQUARE_FRACTION_BITS = 8;

export interface Converted {
  fixed: FixedModel;
  /** The same network before rounding, on the scale of the fixed one. */
  float: FloatModel;
}

/** Rounds a model's parameters to `fractionBits`, without looking at what values they lead to. */
export function roundModel(model: FloatModel, name: string, fractionBits: number): FixedModel {
  const last = model.weights.length - 1;
  const one = 2 ** fractionBits;
  // The engine cuts off the low bits after a hidden layer; half a unit in the bias makes it round.
  const half = model.activation === 'relu' ? one / 2 : 0;
  return {
    name,
    widths: model.widths,
    fractionBits,
    weights: model.weights.map((layer) => Int32Array.from(layer, (w) => Math.round(w * one))),
    biases: model.biases.map((layer, l) =>
      Int32Array.from(
        layer,
        (b) =>
          Math.round(
            b * 2 ** biasBits({ widths: model.widths, fractionBits }, model.activation, l).bits,
          ) + (l < last ? half : 0),
      ),
    ),
  };
}

/**
 * The same ReLU network with every unit on a scale of its own, so that the largest value it can have
 * just fits the ring: max(0, s z) = s max(0, z), and what comes after is divided by s. The logits are
 * all scaled alike, which changes neither winner nor order.
 */
export function balance(model: FloatModel, fractionBits: number): FloatModel {
  const limit = FILL * 2 ** (RING_BITS - 1 - ACTIVATION_FRACTION_BITS - fractionBits);
  let inputs = Array.from({ length: model.widths[0] }, () => ({ low: 0, high: 255 / 256 }));
  let scales = new Float64Array(model.widths[0]).fill(1);
  const weights: Float32Array[] = [];
  const biases: Float32Array[] = [];
  const last = model.weights.length - 1;
  model.weights.forEach((layer, l) => {
    const width = model.widths[l];
    const scaled = Float64Array.from(layer, (w, at) => w / scales[at % width]);
    const bias = model.biases[l];
    const row = (o: number) => rowInterval((i) => scaled[o * width + i], bias[o], inputs);
    const rows = Array.from(bias, (_, o) => row(o));
    let most = rows.map(largest);
    if (l === last) {
      let all = Math.max(...most);
      for (let a = 0; a < bias.length; a++) {
        for (let b = 0; b < a; b++) {
          const weight = (i: number): number => scaled[a * width + i] - scaled[b * width + i];
          all = Math.max(all, largest(rowInterval(weight, bias[a] - bias[b], inputs)));
        }
      }
      most = most.map(() => all);
    }
    scales = Float64Array.from(most, (value) => (value > 0 ? limit / value : 1));
    weights.push(Float32Array.from(scaled, (w, at) => w * scales[Math.floor(at / width)]));
    biases.push(Float32Array.from(bias, (b, o) => b * scales[o]));
    inputs = rows.map(({ low, high }, o) => ({
      low: Math.max(0, low * scales[o]),
      high: Math.max(0, high * scales[o]),
    }));
  });
  return { ...model, weights, biases };
}

/** Largest magnitude among all values and all differences of two logits on one window, no modulus. */
export function largestValue(
  model: FixedModel,
  window: Uint8Array,
  activation: Activation = 'relu',
): number {
  let most = 0;
  let activations = Float64Array.from(window);
  const last = model.weights.length - 1;
  for (let layer = 0; layer <= last; layer++) {
    const inputs = model.widths[layer];
    // Doubles: exact for every sum of products of these widths.
    const outputs = new Float64Array(model.widths[layer + 1]);
    const { scale } = biasBits(model, activation, layer);
    for (let o = 0; o < outputs.length; o++) {
      let sum = model.biases[layer][o] * scale;
      for (let i = 0; i < inputs; i++) sum += model.weights[layer][o * inputs + i] * activations[i];
      most = Math.max(most, Math.abs(sum));
      if (layer === last) outputs[o] = sum;
      else if (activation === 'square') most = Math.max(most, (outputs[o] = sum * sum));
      else outputs[o] = Math.floor(Math.max(0, sum) / 2 ** model.fractionBits);
    }
    activations = outputs;
  }
  const values = Array.from(activations);
  return Math.max(most, Math.max(...values) - Math.min(...values));
}

/** Whether nothing leaves the ring: proven for all windows, and seen on these. */
export const fits = (
  model: FixedModel,
  windows: Uint8Array[],
  activation: Activation = 'relu',
): boolean =>
  isProven(model, activation) &&
  windows.every((window) => largestValue(model, window, activation) < valueBound(activation));

/**
 * Quantises with the number of fraction bits that agrees best with the network before rounding.
 * @param windows the training data
 * @throws MozaikError INPUT_FILE when no number of fraction bits keeps all values in the ring
 */
export function convert(model: FloatModel, name: string, windows: Uint8Array[]): Converted {
  const step = Math.max(1, Math.floor(windows.length / TRIALS));
  const trials = windows.filter((_, i) => i % step === 0);
  const { min, max } = WEIGHT_FRACTION_BITS;
  let best: (Converted & { agreement: number }) | undefined;
  const most = model.activation === 'relu' ? max : SQUARE_FRACTION_BITS;
  for (let fractionBits = most; fractionBits >= min; fractionBits--) {
    const float = model.activation === 'relu' ? balance(model, fractionBits) : model;
    const fixed = roundModel(float, name, fractionBits);
    if (!fits(fixed, trials, model.activation)) continue;
    const agreement = trials.length === 0 ? 1 : compare(float, fixed, trials).classes;
    if (best === undefined || agreement > best.agreement) best = { fixed, float, agreement };
  }
  if (best === undefined || !fits(best.fixed, windows, model.activation)) {
    throw new MozaikError(
      'INPUT_FILE',
      `the model ${name} leads to values that leave the ring; train it with smaller weights or fewer layers`,
    );
  }
  if (best.agreement < LEAST_AGREEMENT) {
    const kept = `${(100 * best.agreement).toFixed(1)} %`;
    throw new MozaikError(
      'INPUT_FILE',
      `the model ${name} stays in the ring for certain only at a precision that keeps ${kept} of its classes; train it with smaller weights or fewer layers`,
    );
  }
  return { fixed: best.fixed, float: best.float };
}

export interface Agreement {
  /** Part of the windows that twin and floating-point network put into the same class. */
  classes: number;
  /** Largest difference of a logit, as a part of the largest logit of the floating-point network. */
  largestLogitError: number;
}

/** Compares the integer network with the floating-point one. @throws RangeError without windows */
export function compare(model: FloatModel, fixed: FixedModel, windows: Uint8Array[]): Agreement {
  if (windows.length === 0) throw new RangeError('there are no windows to compare on');
  const one = 2 ** logitFractionBits(fixed, model.activation);
  let same = 0;
  let error = 0;
  let scale = 0;
  for (const window of windows) {
    if (floatVerdict(model, window).class === fixedClass(fixed, model.activation, window)) same++;
    const exact = floatLogits(model, window);
    const values = fixedLogits(fixed, model.activation, window);
    exact.forEach((value, c) => {
      error = Math.max(error, Math.abs(values[c] / one - value));
      scale = Math.max(scale, Math.abs(value));
    });
  }
  return { classes: same / windows.length, largestLogitError: scale === 0 ? 0 : error / scale };
}
