/**
 * A fixed-point classifier: dense layers with ReLU between them, on one heartbeat window.
 *
 * Inputs are 8-bit samples read as fractions of 256, weights have `fractionBits` fractional bits,
 * biases and pre-activations have `8 + fractionBits`. All arithmetic is modulo 2^{@link RING_BITS}.
 */

/** Width of the ring that inference runs in, bits. */
export const RING_BITS = 24;
/** Fractional bits of an input sample and of every activation. */
export const ACTIVATION_FRACTION_BITS = 8;
/** Fewest and most fractional bits of a weight. */
export const WEIGHT_FRACTION_BITS = { min: 4, max: 12 } as const;

/** Largest layer and most layers accepted: bounds the memory that a hostile model can claim. */
export const MODEL_LIMITS = { width: 4096, layers: 16 } as const;

/** What is public about a model; the parties learn this much. */
export interface Architecture {
  /** Width of each layer, input first: [187, 50, 50, 50, 50, 5]. */
  widths: number[];
  /** Fractional bits of the weights. */
  fractionBits: number;
}

/** A model in the clear, as its provider holds it. */
export interface FixedModel extends Architecture {
  name: string;
  /** Per layer: row-major [outputs][inputs], `fractionBits` fractional bits. */
  weights: Int32Array[];
  /** Per layer: [outputs], `8 + fractionBits` fractional bits. */
  biases: Int32Array[];
}

/** @throws RangeError when widths or fraction bits are outside what the engine computes. */
export function checkArchitecture(architecture: Architecture): void {
  const { widths, fractionBits } = architecture;
  if (widths.length < 2 || widths.length > MODEL_LIMITS.layers + 1) {
    throw new RangeError(`a model has 1 to ${MODEL_LIMITS.layers} layers`);
  }
  for (const width of widths) {
    if (!Number.isInteger(width) || width < 1 || width > MODEL_LIMITS.width) {
      throw new RangeError(`a layer has 1 to ${MODEL_LIMITS.width} values`);
    }
  }
  if (
    !Number.isInteger(fractionBits) ||
    fractionBits < WEIGHT_FRACTION_BITS.min ||
    fractionBits > WEIGHT_FRACTION_BITS.max
  ) {
    throw new RangeError('weights have 4 to 12 fractional bits');
  }
  if (widths[widths.length - 1] < 2) throw new RangeError('a classifier has two classes or more');
}

/** Number of ring elements in a model: all weights, then all biases. */
export function parameterCount(architecture: Architecture): number {
  const { widths } = architecture;
  let count = 0;
  for (let layer = 1; layer < widths.length; layer++)
    count += widths[layer] * (widths[layer - 1] + 1);
  return count;
}
