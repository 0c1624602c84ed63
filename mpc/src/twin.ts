/**
 * The plaintext twin of joint inference: the same integers, bit for bit, without any sharing.
 */
import { RING_BITS, type FixedModel } from './model.ts';

const SHIFT = 32 - RING_BITS;

/** Reduces to the signed representative modulo 2^{@link RING_BITS}. */
const toRing = (value: number): number => (value << SHIFT) >> SHIFT;

export interface Classification {
  /** Index of the winning class, or -1 when wrapped logits leave none. */
  class: number;
  /** Winner's logit minus the second's, `8 + fractionBits` fractional bits. */
  margin: number;
}

/** The last layer's outputs for one window of `widths[0]` samples, modulo 2^24, signed. */
export function logits(model: FixedModel, beat: Uint8Array): Int32Array {
  if (beat.length !== model.widths[0])
    throw new RangeError(`a window has ${model.widths[0]} samples`);
  let activations = Int32Array.from(beat);
  const last = model.weights.length - 1;
  for (let layer = 0; layer <= last; layer++) {
    const inputs = model.widths[layer];
    const outputs = new Int32Array(model.widths[layer + 1]);
    for (let o = 0; o < outputs.length; o++) {
      let sum = model.biases[layer][o];
      for (let i = 0; i < inputs; i++) {
        sum = (sum + Math.imul(model.weights[layer][o * inputs + i], activations[i])) | 0;
      }
      const z = toRing(sum);
      outputs[o] = layer === last ? z : z < 0 ? 0 : z >> model.fractionBits;
    }
    activations = outputs;
  }
  return activations;
}

/** Arg-max and margin as the joint computation defines them: of equal logits the first wins. */
export function classify(model: FixedModel, beat: Uint8Array): Classification {
  const values = logits(model, beat);
  const classes = values.length;
  let winner = -1;
  let margin = 0;
  for (let i = 0; i < classes; i++) {
    let losses = 0;
    for (let j = 0; j < classes; j++) {
      if (j === i) continue;
      const beats = j > i ? toRing(values[i] - values[j]) >= 0 : toRing(values[j] - values[i]) < 0;
      if (!beats) losses++;
    }
    if (losses === 0) {
      winner = i;
      margin = toRing(margin + values[i]);
    } else if (losses === 1) {
      margin = toRing(margin - values[i]);
    }
  }
  return { class: winner, margin };
}
