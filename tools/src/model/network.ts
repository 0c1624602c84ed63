/** A multilayer perceptron in floating point: dense layers with ReLU or squares between them. */
import type { Random } from '../ecg/random.ts';

/** What stands between dense layers: ReLU under sharing, squares under homomorphic encryption. */
export type Activation = 'relu' | 'square';

export interface FloatModel {
  activation: Activation;
  /** Width of each layer, input first. */
  widths: number[];
  /** Per layer: row-major [outputs][inputs]. */
  weights: Float32Array[];
  /** Per layer: [outputs]. */
  biases: Float32Array[];
}

/** Fresh weights: He et al., "Delving deep into rectifiers", ICCV 2015, eq. 10. */
export function initialise(widths: number[], activation: Activation, random: Random): FloatModel {
  // Half of a ReLU's inputs vanish, none of a square's.
  const gain = activation === 'relu' ? 2 : 1;
  const layers = widths.slice(1).map((outputs, layer) => ({ outputs, inputs: widths[layer] }));
  return {
    activation,
    widths,
    weights: layers.map(({ outputs, inputs }) =>
      new Float32Array(outputs * inputs).map(() => random.normal() * Math.sqrt(gain / inputs)),
    ),
    biases: layers.map(({ outputs }) => new Float32Array(outputs)),
  };
}

/** One array per layer, input first: what {@link forward} fills. */
export const newActivations = ({ widths }: FloatModel): Float32Array[] =>
  widths.map((width) => new Float32Array(width));

/** Dot product of `x` with a row of `w`; four sums at once, as one alone waits for each addition. */
function dot(w: Float32Array, row: number, x: Float32Array): number {
  const whole = x.length & ~3;
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    a += w[row + i] * x[i];
    b += w[row + i + 1] * x[i + 1];
    c += w[row + i + 2] * x[i + 2];
    d += w[row + i + 3] * x[i + 3];
  }
  for (let i = whole; i < x.length; i++) a += w[row + i] * x[i];
  return a + b + c + d;
}

/** What training needs beside the activations of a pass. */
interface TrainingPass {
  /** Per hidden layer: the factor of each unit, 0 for one that is left out. */
  kept: Float32Array[];
  /** Filled with the values before the activation. */
  pre: Float32Array[];
}

/** Fills `activations[1...]` from `activations[0]`; the last is the logits, without activation. */
export function forward(
  model: FloatModel,
  activations: Float32Array[],
  training?: TrainingPass,
): void {
  const last = model.weights.length - 1;
  for (let layer = 0; layer <= last; layer++) {
    const x = activations[layer];
    const y = activations[layer + 1];
    const w = model.weights[layer];
    for (let o = 0; o < y.length; o++) {
      const sum = model.biases[layer][o] + dot(w, o * x.length, x);
      if (layer === last) y[o] = sum;
      else y[o] = model.activation === 'square' ? sum * sum : sum < 0 ? 0 : sum;
      if (training && layer < last) {
        y[o] *= training.kept[layer + 1][o];
        training.pre[layer + 1][o] = sum;
      }
    }
  }
}

/** Window bytes as the network reads them: fractions of 256. */
export function loadWindow(window: Uint8Array, input: Float32Array): void {
  for (let i = 0; i < window.length; i++) input[i] = window[i] / 256;
}

/** Logits of one window. */
export function floatLogits(model: FloatModel, window: Uint8Array): Float32Array {
  const activations = newActivations(model);
  loadWindow(window, activations[0]);
  forward(model, activations);
  return activations[activations.length - 1];
}

/** A copy that further training does not change. */
export const copyModel = ({ activation, widths, weights, biases }: FloatModel): FloatModel => ({
  activation,
  widths,
  weights: weights.map((array) => array.slice()),
  biases: biases.map((array) => array.slice()),
});
