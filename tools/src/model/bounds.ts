/**
 * Interval analysis of an integer network: what every intermediate value can be at the most, whatever
 * window comes in. Moore, Kearfott and Cloud, "Introduction to Interval Analysis", SIAM 2009; for
 * networks Gowal et al., ICCV 2019. Differences of two logits are taken row by row, which is tighter
 * than the difference of their intervals.
 */
import { RING_BITS, type FixedModel } from '@mozaik/mpc';
import { biasBits } from './fixed.ts';
import type { Activation } from './network.ts';

/** Largest byte of a window. */
const BYTE_MAX = 255;
/** Values of a square network are computed as integers of doubles, exact below this. */
const EXACT_BOUND = 2 ** 53;

/** What no value of a network may reach: its ring's positive half, or where integers end to be exact. */
export const valueBound = (activation: Activation): number =>
  activation === 'relu' ? 2 ** (RING_BITS - 1) : EXACT_BOUND;

export interface Interval {
  low: number;
  high: number;
}

/** Of a row of weights and a bias over intervals; exact as long as it stays below 2^53. */
export function rowInterval(
  weight: (input: number) => number,
  bias: number,
  inputs: Interval[],
): Interval {
  let low = bias;
  let high = bias;
  for (let i = 0; i < inputs.length; i++) {
    const w = weight(i);
    low += w * (w > 0 ? inputs[i].low : inputs[i].high);
    high += w * (w > 0 ? inputs[i].high : inputs[i].low);
  }
  return { low, high };
}

export const largest = ({ low, high }: Interval): number => Math.max(Math.abs(low), Math.abs(high));

/** Largest magnitude of each layer's values; the last also over all differences of two logits. */
export function layerBounds(model: FixedModel, activation: Activation): number[] {
  const { widths, fractionBits, weights } = model;
  const biases = model.biases.map((layer, l) => {
    const { scale } = biasBits(model, activation, l);
    return Float64Array.from(layer, (bias) => bias * scale);
  });
  let inputs: Interval[] = Array.from({ length: widths[0] }, () => ({ low: 0, high: BYTE_MAX }));
  return weights.map((layer, l) => {
    const width = widths[l];
    const outputs = Array.from(biases[l], (bias, o) =>
      rowInterval((i) => layer[o * width + i], bias, inputs),
    );
    let most = Math.max(...outputs.map(largest));
    if (l === weights.length - 1) {
      for (let a = 0; a < outputs.length; a++) {
        for (let b = 0; b < a; b++) {
          const weight = (i: number): number => layer[a * width + i] - layer[b * width + i];
          const between = rowInterval(weight, biases[l][a] - biases[l][b], inputs);
          most = Math.max(most, largest(between));
        }
      }
      return most;
    }
    inputs = outputs.map(({ low, high }) => {
      if (activation === 'square') {
        const least = low > 0 ? low * low : high < 0 ? high * high : 0;
        return { low: least, high: Math.max(low * low, high * high) };
      }
      const cut = (x: number): number => Math.floor(Math.max(0, x) / 2 ** fractionBits);
      return { low: cut(low), high: cut(high) };
    });
    // The square itself is a value too.
    return activation === 'square' ? Math.max(most, ...inputs.map(largest)) : most;
  });
}

/** Whether no window whatsoever leads out of the ring, parameters included. */
export function isProven(model: FixedModel, activation: Activation): boolean {
  const bound = valueBound(activation);
  return (
    [...model.weights, ...model.biases].every((layer) =>
      layer.every((value) => Math.abs(value) < 2 ** (RING_BITS - 1)),
    ) && layerBounds(model, activation).every((value) => value < bound)
  );
}
