/**
 * Trains a multilayer perceptron: softmax cross-entropy with rare classes weighing more,
 * mini-batches, and Adam with decoupled weight decay (Kingma & Ba, ICLR 2015; Loshchilov & Hutter,
 * ICLR 2019). The same data and seed give the same model.
 */
import { seededRandom, type Random } from '../ecg/random.ts';
import { augmenter } from './augment.ts';
import type { Example } from './dataset.ts';
import { forward, initialise, newActivations, type FloatModel } from './network.ts';

export interface TrainOptions {
  widths: number[];
  seed: number;
  epochs: number;
  /** Called after each epoch (from 1); returning false stops the training. */
  onEpoch?: (epoch: number, model: FloatModel, loss: number) => boolean;
}

const BATCH = 64;
const LEARNING_RATE = 1e-3;
const WEIGHT_DECAY = 0.5;
const BETA_1 = 0.9;
const BETA_2 = 0.999;
const EPSILON = 1e-8;
/**
 * Weight of a class by its rarity. A square root (0.5) finds a little more of the rare classes but
 * costs four points of accuracy on persons the model has not seen; 0 would ignore them.
 */
const RARITY_EXPONENT = 0.25;
/** Most that one class counts against the commonest, so that a handful of beats does not rule. */
const MAX_CLASS_WEIGHT = 5;
/** Weight of each class; their mean over the examples is 1. */
export function classWeights(examples: Example[], classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const { target } of examples) counts[target]++;
  const commonest = Math.max(...counts);
  const raw = counts.map((n) =>
    n === 0 ? 0 : Math.min(MAX_CLASS_WEIGHT, (commonest / n) ** RARITY_EXPONENT),
  );
  const mean = raw.reduce((sum, w, c) => sum + w * counts[c], 0) / examples.length;
  return raw.map((w) => w / mean);
}

const zerosLike = (arrays: Float32Array[]): Float32Array[] =>
  arrays.map((array) => new Float32Array(array.length));

/** Turns logits into the loss's gradient by them, in place. @returns the weighted loss */
function softmaxGradient(logits: Float32Array, target: number, weight: number): number {
  const top = Math.max(...logits);
  let sum = 0;
  for (let c = 0; c < logits.length; c++) sum += logits[c] = Math.exp(logits[c] - top);
  const loss = -weight * Math.log(logits[target] / sum);
  for (let c = 0; c < logits.length; c++)
    logits[c] = weight * (logits[c] / sum - Number(c === target));
  return loss;
}

/** Adds one example's gradients, given the gradient by the logits in the last of `deltas`. */
function backward(
  model: FloatModel,
  activations: Float32Array[],
  deltas: Float32Array[],
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
    if (layer > 0) for (let i = 0; i < x.length; i++) if (x[i] === 0) below[i] = 0;
  }
}

function shuffle(order: Uint32Array, random: Random): void {
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
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

/**
 * Trains from fresh weights. The learning rate falls to zero along half a cosine over `epochs`.
 * @throws RangeError without examples, or when their windows do not fit the first layer
 */
export function train(examples: Example[], options: TrainOptions): FloatModel {
  const { widths, epochs } = options;
  if (examples.length === 0) throw new RangeError('there is nothing to train on');
  if (examples.some(({ windows }) => windows.some((window) => window.length !== widths[0]))) {
    throw new RangeError(`the first layer reads windows of ${widths[0]} samples`);
  }
  const random = seededRandom(options.seed);
  const model = initialise(widths, random);
  const weightOf = classWeights(examples, widths[widths.length - 1]);
  const activations = newActivations(model);
  const deltas = newActivations(model);
  const gradients = { weights: zerosLike(model.weights), biases: zerosLike(model.biases) };
  const stepWeights = adam(model.weights);
  const stepBiases = adam(model.biases);
  const vary = augmenter(random);
  const order = Uint32Array.from(examples, (_, i) => i);
  const logits = activations[widths.length - 1];
  const batches = Math.ceil(order.length / BATCH);
  for (let epoch = 1; epoch <= epochs; epoch++) {
    shuffle(order, random);
    let loss = 0;
    for (let batch = 0; batch < batches; batch++) {
      const members = order.subarray(batch * BATCH, (batch + 1) * BATCH);
      for (const member of members) {
        const { windows, target } = examples[member];
        vary(windows[random.below(windows.length)], activations[0]);
        forward(model, activations);
        loss += softmaxGradient(logits, target, weightOf[target] / members.length);
        deltas[widths.length - 1].set(logits);
        backward(model, activations, deltas, gradients);
      }
      const progress = (epoch - 1 + batch / batches) / epochs;
      const rate = LEARNING_RATE * 0.5 * (1 + Math.cos(Math.PI * progress));
      stepWeights(gradients.weights, rate, WEIGHT_DECAY);
      stepBiases(gradients.biases, rate, 0);
    }
    if (options.onEpoch?.(epoch, model, loss / batches) === false) break;
  }
  return model;
}
