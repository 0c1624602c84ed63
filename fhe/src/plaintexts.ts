/** What the parameters of a network become: vectors of slots, or small integers. */
import { checkNetwork, type SquareNetwork } from './network.ts';
import { INPUT_UNIT, PARAMETERS, SCALES, SIDE, SINGLE_CIPHERTEXTS } from './parameters.ts';

/**
 * Slots (high, low) = 64·high + low of the single layout. In the first layer the high digit counts
 * inputs and the low one hidden units; after the sum over the high digit each of its 64 values holds
 * all hidden units; in the second layer the high digit counts outputs.
 */
export interface SlotVectors {
  /** One for each ciphertext of a beat. */
  hiddenWeights: Float64Array[];
  hiddenBias: Float64Array;
  outputWeights: Float64Array;
  outputBias: Float64Array;
}

/** @throws MozaikError HOMOMORPHIC_MODEL */
export function slotVectors(network: SquareNetwork): SlotVectors {
  checkNetwork(network);
  const { inputs, inputScale, layers } = network;
  const [hidden, last] = layers;
  const unit = inputScale / INPUT_UNIT;
  const fill = (value: (high: number, low: number) => number | undefined): Float64Array =>
    Float64Array.from(
      { length: PARAMETERS.single.degree / 2 },
      (_, n) => value(Math.floor(n / SIDE), n % SIDE) ?? 0,
    );
  return {
    hiddenWeights: Array.from({ length: SINGLE_CIPHERTEXTS }, (_, c) =>
      fill((high, low) => {
        const input = c * SIDE + high;
        const exists = input < inputs && low < hidden.outputs;
        return exists ? hidden.weights[low * inputs + input] * unit : 0;
      }),
    ),
    hiddenBias: fill((_, low) => hidden.bias[low]),
    outputWeights: fill((high, low) =>
      high < last.outputs && low < hidden.outputs ? last.weights[high * hidden.outputs + low] : 0,
    ),
    outputBias: fill((high, low) => (low === 0 ? last.bias[high] : 0)),
  };
}

/** Parameters of the batch layout: integers at the scales of {@link SCALES}. */
export interface IntegerLayers {
  /** Row-major, rounded. */
  weights: [Int32Array, Int32Array];
  /** The same before rounding. */
  exact: [Float64Array, Float64Array];
  /** Integers, of which the last may pass 2^53. */
  biases: [bigint[], bigint[]];
}

/** @throws MozaikError HOMOMORPHIC_MODEL */
export function integerLayers(network: SquareNetwork): IntegerLayers {
  checkNetwork(network);
  const [hidden, last] = network.layers;
  const unit = network.inputScale / INPUT_UNIT;
  const { weights, hidden: hiddenScale, logits } = SCALES.batch;
  const exact: [Float64Array, Float64Array] = [
    hidden.weights.map((weight) => weight * weights[0] * unit),
    last.weights.map((weight) => weight * weights[1]),
  ];
  const round = (values: Float64Array): Int32Array => Int32Array.from(values, Math.round);
  const wide = (values: Float64Array, scale: number): bigint[] =>
    Array.from(values, (value) => BigInt(Math.round(value * scale)));
  return {
    weights: [round(exact[0]), round(exact[1])],
    exact,
    biases: [wide(hidden.bias, hiddenScale), wide(last.bias, logits)],
  };
}
