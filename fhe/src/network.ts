/** The network that is computed on ciphertexts: dense, one hidden layer, squares between. */
import { MozaikError } from '@mozaik/protocol';
import { MAX_OUTPUTS, SIDE, WINDOW_BYTES } from './parameters.ts';

export interface DenseLayer {
  /** Row-major [outputs][inputs]. */
  weights: Float64Array;
  /** [outputs] */
  bias: Float64Array;
  outputs: number;
}

/** logits = W2 (W1 x + b1)² + b2 with x = window · inputScale. */
export interface SquareNetwork {
  /** Bytes of a window. */
  inputs: number;
  /** What a byte of a window is multiplied by: 1/256 for the models of this project. */
  inputScale: number;
  layers: DenseLayer[];
}

/** @throws MozaikError HOMOMORPHIC_MODEL when a network has a shape that the layouts do not fit */
export function checkNetwork(network: SquareNetwork): void {
  const refuse = (detail: string): never => {
    throw new MozaikError('HOMOMORPHIC_MODEL', detail);
  };
  const { inputs, inputScale, layers } = network;
  if (inputs !== WINDOW_BYTES) refuse(`it reads ${inputs} values in place of ${WINDOW_BYTES}`);
  if (!(inputScale > 0 && Number.isFinite(inputScale))) refuse('its input scale is not positive');
  if (layers.length !== 2) refuse(`it has ${layers.length} layers in place of two`);
  const [hidden, last] = layers;
  if (!(hidden.outputs >= 1 && hidden.outputs <= SIDE)) {
    refuse(`it has ${hidden.outputs} hidden units, of at most ${SIDE}`);
  }
  if (!(last.outputs >= 2 && last.outputs <= MAX_OUTPUTS)) {
    refuse(`it has ${last.outputs} classes, of 2 to ${MAX_OUTPUTS}`);
  }
  let width = inputs;
  for (const { weights, bias, outputs } of layers) {
    if (weights.length !== outputs * width || bias.length !== outputs) {
      refuse('its parameters are not as many as its widths say');
    }
    if (![...weights, ...bias].every(Number.isFinite)) refuse('a parameter is not a number');
    width = outputs;
  }
}

/** The network in the clear: what the ciphertexts approximate. */
export function plainLogits(network: SquareNetwork, window: Uint8Array): Float64Array {
  let values = Float64Array.from(window, (byte) => byte * network.inputScale);
  network.layers.forEach(({ weights, bias, outputs }, l) => {
    const inputs = values;
    if (l > 0) inputs.forEach((value, i) => (inputs[i] = value * value));
    values = Float64Array.from({ length: outputs }, (_, o) =>
      inputs.reduce((sum, value, i) => sum + weights[o * inputs.length + i] * value, bias[o]),
    );
  });
  return values;
}

/** Index of the largest logit; the first of equals. */
export const largestIndex = (logits: ArrayLike<number>): number => {
  let best = 0;
  for (let o = 1; o < logits.length; o++) if (logits[o] > logits[best]) best = o;
  return best;
};
