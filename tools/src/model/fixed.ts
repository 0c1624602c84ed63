/** Integer networks of either activation in the clear. ReLU networks are the parties' own twin. */
import { classify, logits, type FixedModel } from '@mozaik/mpc';
import type { Activation } from './network.ts';

/** Fractional bits of the logits: ReLU layers cut theirs off, squares keep and double them. */
export function logitFractionBits(
  { widths, fractionBits }: Pick<FixedModel, 'widths' | 'fractionBits'>,
  activation: Activation,
): number {
  let bits = 8;
  for (let layer = 1; layer < widths.length; layer++) {
    bits += fractionBits;
    if (layer < widths.length - 1) bits = activation === 'square' ? 2 * bits : 8;
  }
  return bits;
}

/** Fractional bits of every bias of a square network at the most: more would not fit 32 bits. */
const SQUARE_BIAS_BITS = 16;

/** Fractional bits of the biases of a layer, and what they are multiplied by to be added to its sums. */
export function biasBits(
  { widths, fractionBits }: Pick<FixedModel, 'widths' | 'fractionBits'>,
  activation: Activation,
  layer: number,
): { bits: number; scale: number } {
  const all = logitFractionBits({ widths: widths.slice(0, layer + 2), fractionBits }, activation);
  const bits = activation === 'square' ? Math.min(all, SQUARE_BIAS_BITS) : all;
  return { bits, scale: 2 ** (all - bits) };
}

/** Exact as long as the interval analysis has proven it. */
function squareLogits(model: FixedModel, window: Uint8Array): Float64Array {
  let x = Float64Array.from(window);
  model.weights.forEach((layer, l) => {
    const inputs = model.widths[l];
    const { scale } = biasBits(model, 'square', l);
    const y = Float64Array.from(model.biases[l], (bias, o) => {
      let sum = bias * scale;
      for (let i = 0; i < inputs; i++) sum += layer[o * inputs + i] * x[i];
      return sum;
    });
    x = l < model.weights.length - 1 ? y.map((value) => value * value) : y;
  });
  return x;
}

/** Logits of one window, integers with {@link logitFractionBits}. */
export const fixedLogits = (
  model: FixedModel,
  activation: Activation,
  window: Uint8Array,
): ArrayLike<number> =>
  activation === 'relu' ? logits(model, window) : squareLogits(model, window);

/** The winning class, by the rules of the joint computation for ReLU networks. */
export function fixedClass(model: FixedModel, activation: Activation, window: Uint8Array): number {
  if (activation === 'relu') return classify(model, window).class;
  const values = squareLogits(model, window);
  return values.indexOf(Math.max(...values));
}
