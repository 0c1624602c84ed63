/**
 * Trains a multilayer perceptron: softmax cross-entropy with rare classes weighing more,
 * mini-batches, dropout (Srivastava et al., JMLR 15, 2014), and Adam with decoupled weight decay
 * (Kingma & Ba, ICLR 2015; Loshchilov & Hutter, ICLR 2019). The same data and seed give the same
 * model.
 */
import { seededRandom, type Random } from '../ecg/random.ts';
import type { Example } from './dataset.ts';
import {
  forward,
  initialise,
  newActivations,
  type Activation,
  type FloatModel,
} from './network.ts';

export interface TrainOptions {
  widths: number[];
  activation: Activation;
  seed: number;
  epochs: number;
  /** Bytes of the window that the network reads; it has no weights on the others. All by default. */
  inputs?: number[];
  /** Called after each epoch (from 1); returning false stops the training. */
  onEpoch?: (epoch: number, model: () => FloatModel, loss: number) => boolean;
}

const BATCH = 128;
/** Part of the examples that each epoch shows, chosen anew: neighbouring beats teach much the same. */
const EPOCH_PART = 0.5;
const LEARNING_RATE = 1.5e-3;
const WEIGHT_DECAY = 0.1;
const BETA_1 = 0.9;
const BETA_2 = 0.999;
const EPSILON = 1e-8;
/** Noise on every input, of full scale, and the parts of inputs and hidden units left out at a time. */
const NOISE = 0.08;
const INPUT_DROPOUT = 0.1;
const HIDDEN_DROPOUT = 0.2;
/** Largest gradient of square networks, whose gradients grow with their activations. */
const SQUARE_GRADIENT_LIMIT = 1;
/** Weight of a class by its rarity: more finds more of the rare classes, and calls more so wrongly. */
const RARITY_EXPONENT = 0.1;
/** Beats of one class of one person that count in full; more count less each, by this exponent. */
const PERSON_BEATS = 200;
const PERSON_EXPONENT = 0.25;
/** Normal deviates drawn once: a fresh run of them for each window costs no logarithms. */
const NOISE_SAMPLES = 1 << 14;

/** Weight of each example; their mean is 1. */
export function exampleWeights(examples: Example[], classes: number): Float32Array {
  const keyOf = ({ person, target }: Example): string => `${target} ${person}`;
  const counts = new Map<string, number>();
  for (const example of examples) {
    counts.set(keyOf(example), (counts.get(keyOf(example)) ?? 0) + 1);
  }
  const weights = Float32Array.from(
    examples,
    (example) => Math.max(1, counts.get(keyOf(example))! / PERSON_BEATS) ** -PERSON_EXPONENT,
  );
  const ofClass = new Float64Array(classes);
  examples.forEach(({ target }, i) => (ofClass[target] += weights[i]));
  const commonest = Math.max(...ofClass);
  examples.forEach(
    ({ target }, i) => (weights[i] *= (commonest / ofClass[target]) ** RARITY_EXPONENT),
  );
  const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length;
  return weights.map((w) => w / mean);
}

const zerosLike = (arrays: Float32Array[]): Float32Array[] =>
  arrays.map((array) => new Float32Array(array.length));

/** Turns logits into the loss's gradient by them, in place. @returns the weighted loss */
function softmaxGradient(logits: Float32Array, target: number, weight: number): number {
  const top = Math.max(...logits);
  let sum = 0;
  for (let c = 0; c < logits.length; c++) sum += logits[c] = Math.exp(logits[c] - top);
  const loss = -weight * Math.log(Math.max(logits[target] / sum, 1e-9));
  for (let c = 0; c < logits.length; c++)
    logits[c] = weight * (logits[c] / sum - Number(c === target));
  return loss;
}

/**
 * Adds one example's gradients, given the gradient by the logits in the last of `deltas`.
 * @param kept per hidden layer, 0 for units that were left out, else what kept ones were scaled by
 */
function backward(
  model: FloatModel & { pre: Float32Array[] },
  activations: Float32Array[],
  deltas: Float32Array[],
  kept: Float32Array[],
  gradients: Pick<FloatModel, 'weights' | 'biases'>,
): void {
  for (let layer = model.weights.length - 1; layer >= 0; layer--) {
    const x = activations[layer];
    const delta = deltas[layer + 1];
    const below = deltas[layer].fill(0);
    const w = model.weights[layer];
    const g = gradients.weights[layer];
    for (let o = 0; o < delta.length; o++) {
      const d = delta[o];
      if (d === 0) continue;
      gradients.biases[layer][o] += d;
      const row = o * x.length;
      for (let i = 0; i < x.length; i++) g[row + i] += d * x[i];
      if (layer > 0) for (let i = 0; i < x.length; i++) below[i] += d * w[row + i];
    }
    if (layer === 0) continue;
    for (let i = 0; i < x.length; i++) {
      const factor = kept[layer][i];
      if (model.activation === 'relu') below[i] = x[i] > 0 ? below[i] * factor : 0;
      // x = factor z^2, so its slope is 2 factor z; the sign of z is kept beside.
      else below[i] *= factor * 2 * model.pre[layer][i];
    }
  }
}

/** Adam's running moments and its step. */
function adam(
  parameters: Float32Array[],
): (gradients: Float32Array[], rate: number, decay: number) => void {
  const first = zerosLike(parameters);
  const second = zerosLike(parameters);
  let steps = 0;
  return (gradients, rate, decay) => {
    steps++;
    const scale = rate / (1 - BETA_1 ** steps);
    const correction = 1 - BETA_2 ** steps;
    parameters.forEach((p, n) => {
      const [g, m, v] = [gradients[n], first[n], second[n]];
      for (let i = 0; i < p.length; i++) {
        m[i] = BETA_1 * m[i] + (1 - BETA_1) * g[i];
        v[i] = BETA_2 * v[i] + (1 - BETA_2) * g[i] * g[i];
        p[i] -= (scale * m[i]) / (Math.sqrt(v[i] / correction) + EPSILON) + rate * decay * p[i];
      }
      g.fill(0);
    });
  };
}

function limitGradient(gradients: Float32Array[]): void {
  let sum = 0;
  for (const g of gradients) for (let i = 0; i < g.length; i++) sum += g[i] * g[i];
  const scale = SQUARE_GRADIENT_LIMIT / Math.sqrt(sum);
  if (scale < 1) for (const g of gradients) for (let i = 0; i < g.length; i++) g[i] *= scale;
}

/** A part of the order, chosen at random, at its beginning. */
function choose(order: Uint32Array, random: Random, count: number): Uint32Array {
  for (let i = 0; i < count; i++) {
    const j = i + random.below(order.length - i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order.subarray(0, count);
}

/** The network on whole windows: no weights on bytes that it does not read, and the means in its bias. */
function expand(
  small: FloatModel,
  inputs: number[],
  means: Float32Array,
  width: number,
): FloatModel {
  const [outputs] = small.widths.slice(1);
  const first = new Float32Array(outputs * width);
  const bias = small.biases[0].slice();
  for (let o = 0; o < outputs; o++) {
    inputs.forEach((at, i) => {
      const w = small.weights[0][o * inputs.length + i];
      first[o * width + at] = w;
      bias[o] -= w * means[i];
    });
  }
  const copies = (arrays: Float32Array[]) => arrays.slice(1).map((array) => array.slice());
  return {
    activation: small.activation,
    widths: [width, ...small.widths.slice(1)],
    weights: [first, ...copies(small.weights)],
    biases: [bias, ...copies(small.biases)],
  };
}

/**
 * Trains from fresh weights. The learning rate falls to zero along half a cosine over `epochs`.
 * @throws RangeError without examples, or when their windows do not fit the first layer
 */
export function train(examples: Example[], options: TrainOptions): FloatModel {
  const { widths, epochs, activation } = options;
  if (examples.length === 0) throw new RangeError('there is nothing to train on');
  if (examples.some(({ window }) => window.length !== widths[0])) {
    throw new RangeError(`the first layer reads windows of ${widths[0]} samples`);
  }
  const inputs = options.inputs ?? Array.from({ length: widths[0] }, (_, i) => i);
  const random = seededRandom(options.seed);
  const small = [inputs.length, ...widths.slice(1)];
  const initial = initialise(small, activation, random);
  const activations = newActivations(initial);
  const model = { ...initial, pre: newActivations(initial) };
  const weights = exampleWeights(examples, widths[widths.length - 1]);
  const deltas = newActivations(model);
  const kept = newActivations(model);
  const gradients = { weights: zerosLike(model.weights), biases: zerosLike(model.biases) };
  const stepWeights = adam(model.weights);
  const stepBiases = adam(model.biases);
  const noise = Float32Array.from({ length: NOISE_SAMPLES }, () => NOISE * random.normal());
  const means = new Float32Array(inputs.length);
  for (const { window } of examples) inputs.forEach((at, i) => (means[i] += window[at] / 256));
  means.forEach((sum, i) => (means[i] = sum / examples.length));
  const order = Uint32Array.from(examples, (_, i) => i);
  const logits = activations[widths.length - 1];
  const shown = Math.max(1, Math.ceil(order.length * EPOCH_PART));
  const batches = Math.ceil(shown / BATCH);

  const load = (window: Uint8Array): void => {
    const x = activations[0];
    const from = random.below(NOISE_SAMPLES - inputs.length);
    for (let i = 0; i < inputs.length; i++) {
      // A byte that is left out is at its mean: the network cannot tell that anything is amiss.
      const centred = random.uniform() < INPUT_DROPOUT ? 0 : window[inputs[i]] / 256 - means[i];
      x[i] = centred + noise[from + i];
    }
    for (let layer = 1; layer < widths.length - 1; layer++) {
      const mask = kept[layer];
      for (let i = 0; i < mask.length; i++) {
        mask[i] = random.uniform() < HIDDEN_DROPOUT ? 0 : 1 / (1 - HIDDEN_DROPOUT);
      }
    }
  };

  for (let epoch = 1; epoch <= epochs; epoch++) {
    const chosen = choose(order, random, shown);
    let loss = 0;
    for (let batch = 0; batch < batches; batch++) {
      const members = chosen.subarray(batch * BATCH, (batch + 1) * BATCH);
      for (const member of members) {
        const { window, target } = examples[member];
        load(window);
        forward(model, activations, { kept, pre: model.pre });
        loss += softmaxGradient(logits, target, weights[member] / members.length);
        deltas[widths.length - 1].set(logits);
        backward(model, activations, deltas, kept, gradients);
      }
      if (activation === 'square') limitGradient([...gradients.weights, ...gradients.biases]);
      const progress = (epoch - 1 + batch / batches) / epochs;
      const rate = LEARNING_RATE * 0.5 * (1 + Math.cos(Math.PI * progress));
      stepWeights(gradients.weights, rate, WEIGHT_DECAY);
      stepBiases(gradients.biases, rate, 0);
    }
    const current = (): FloatModel => expand(model, inputs, means, widths[0]);
    if (options.onEpoch?.(epoch, current, loss / batches) === false) break;
  }
  return expand(model, inputs, means, widths[0]);
}
