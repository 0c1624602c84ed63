import { describe, expect, test } from '@jest/globals';
import { logits, RING_BITS, type FixedModel } from '@mozaik/mpc';
import type { Beat } from '../../src/ecg/beats.ts';
import { seededRandom } from '../../src/ecg/random.ts';
import {
  areaUnderCurve,
  evaluate,
  figuresOf,
  fixedVerdict,
  floatVerdict,
} from '../../src/model/evaluate.ts';
import { floatLogits, forward, initialise, newActivations } from '../../src/model/network.ts';
import { isProven, layerBounds } from '../../src/model/bounds.ts';
import {
  balance,
  compare,
  convert,
  fits,
  largestValue,
  roundModel,
} from '../../src/model/quantise.ts';
import type { FloatModel } from '../../src/model/network.ts';

const beat = (label: Beat['label'], first = 0): Beat => ({
  window: Uint8Array.of(first),
  timeMs: 0,
  label,
});

describe('figures', () => {
  test('are those of a confusion matrix counted by hand', () => {
    const beats = [...'NNNNSSVV'].map((label) => beat(label as Beat['label']));
    const called = [0, 0, 0, 2, 1, 0, 2, -1];
    const scores = [-3, -2, -1, 2, 1, -1, 3, 4];
    const verdicts = called.map((c, i) => ({ class: c, score: scores[i] }));
    expect(figuresOf(beats, verdicts)).toEqual({
      beats: 8,
      accuracy: 0.625,
      confusion: [
        [3, 0, 1, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
      ],
      sensitivity: { N: 0.75, S: 0.5, V: 0.5, F: null, Q: null },
      predictivity: { N: 0.75, S: 1, V: 0.5, F: null, Q: null },
      // 16 pairs: 1 beats three of four, -1 beats two and ties one, 3 and 4 beat all: 13.5.
      anomalyAuc: 0.8438,
    });
    expect(() => figuresOf(beats, [])).toThrow(RangeError);
  });

  test('have no AUC when there is one kind only', () => {
    expect(areaUnderCurve([1, 2], [true, true])).toBeNull();
    expect(areaUnderCurve([1, 1, 1], [true, false, false])).toBe(0.5);
  });

  test('take the largest logit for the class and the abnormal margin for the score', () => {
    const model: FloatModel = {
      activation: 'relu',
      widths: [1, 5],
      weights: [Float32Array.of(0, 1, 2, 0, 0)],
      biases: [Float32Array.of(0.5, 0, -0.25, 0, 0)],
    };
    expect(floatVerdict(model, Uint8Array.of(192))).toEqual({ class: 2, score: 0.75 });
    expect(floatVerdict(model, Uint8Array.of(64))).toEqual({ class: 0, score: -0.25 });
    const fixed = roundModel(model, 'm', 8);
    expect(fixedVerdict(fixed, Uint8Array.of(192))).toEqual({ class: 2, score: 0.75 });
    expect(evaluate([beat('V', 192), beat('N', 64)], (w) => fixedVerdict(fixed, w)).accuracy).toBe(
      1,
    );
  });
});

describe('network', () => {
  test('computes dense layers with ReLU between, none after the last', () => {
    const model: FloatModel = {
      activation: 'relu',
      widths: [5, 2, 2],
      weights: [Float32Array.of(1, 2, 3, 4, 5, -1, -1, -1, -1, -1), Float32Array.of(1, 7, -2, 0)],
      biases: [Float32Array.of(1, 0), Float32Array.of(0, 3)],
    };
    const activations = newActivations(model);
    activations[0].set([1, 1, 1, 1, 2]);
    forward(model, activations);
    expect(activations.map((layer) => [...layer])).toEqual([
      [1, 1, 1, 1, 2],
      [21, 0],
      [21, -39],
    ]);
  });
});

describe('quantiser', () => {
  const random = seededRandom(3);
  const model = initialise([20, 12, 8, 5], 'relu', random);
  model.biases.forEach((layer) => layer.forEach((_, i) => (layer[i] = random.normal() / 4)));
  const windows = Array.from({ length: 150 }, () =>
    Uint8Array.from({ length: 20 }, () => random.below(256)),
  );
  const scaled = (factor: number): FloatModel => ({
    ...model,
    weights: model.weights.map((layer, l) => (l === 2 ? layer.map((w) => w * factor) : layer)),
    biases: model.biases.map((layer, l) => (l === 2 ? layer.map((b) => b * factor) : layer)),
  });

  test('proves that nothing leaves the ring, whatever scale the weights have', () => {
    for (const factor of [0.2, 1, 30, 5000]) {
      const { fixed, float } = convert(scaled(factor), 'm', windows);
      expect(isProven(fixed, 'relu')).toBe(true);
      expect(fits(fixed, windows)).toBe(true);
      expect(compare(float, fixed, windows).classes).toBeGreaterThan(0.95);
      // One scale for all logits: the winner is the same as before.
      for (const window of windows.slice(0, 50)) {
        expect(floatVerdict(float, window).class).toBe(floatVerdict(scaled(factor), window).class);
      }
    }
    expect(isProven(roundModel(scaled(5000), 'm', 8), 'relu')).toBe(false);
  });

  test('balances hidden units to fill the ring, and changes nothing else', () => {
    const balanced = balance(model, 8);
    const [first, second] = layerBounds(roundModel(balanced, 'm', 8), 'relu');
    for (const value of [first, second]) {
      expect(value).toBeLessThan(2 ** 23);
      expect(value).toBeGreaterThan(0.9 * 2 ** 23);
    }
    const ratio = (window: Uint8Array): number =>
      floatLogits(balanced, window)[0] / floatLogits(model, window)[0];
    expect(ratio(windows[0])).toBeCloseTo(ratio(windows[1]), 3);
  });

  test('bounds are reached by the worst window and passed by none', () => {
    const one: FixedModel = {
      ...{ name: 'm', widths: [2, 2, 2], fractionBits: 4 },
      weights: [Int32Array.of(3, -2, 1, 1), Int32Array.of(2, -1, -1, 4)],
      biases: [Int32Array.of(5, 0), Int32Array.of(0, 1)],
    };
    // First layer: -510 + 5 to 765 + 5, and 0 to 510; after ReLU and shift 48 and 31.
    // Second: -31 to 96, -47 to 125; their difference 3 a - 5 b - 1: -156 to 143.
    expect(layerBounds(one, 'relu')).toEqual([770, 156]);
    for (let a = 0; a < 256; a += 5) {
      for (let b = 0; b < 256; b += 5) {
        expect(largestValue(one, Uint8Array.of(a, b))).toBeLessThanOrEqual(770);
      }
    }
    // Squares: -505..770 squared 592900 at the most, 0..510 squared 260100; the second bias has 16 of
    // 28 fractional bits. Difference: 3 a - 5 b - 4096.
    expect(layerBounds(one, 'square')).toEqual([592_900, 3 * 592_900 - 4096]);
  });

  test('refuses a model that it cannot prove: three squares double the bits three times', () => {
    const square = initialise([20, 12, 12, 12, 5], 'square', seededRandom(5));
    expect(() => convert(square, 'square', windows)).toThrow(
      expect.objectContaining({ code: 'INPUT_FILE' }),
    );
  });

  test('measures what the twin computes as long as nothing wraps, and wraps as well', () => {
    // One layer: 255 w + b by hand, and the distance of the two logits.
    const one = (w: number): FixedModel => ({
      ...{ name: 'm', widths: [1, 2], fractionBits: 4 },
      weights: [Int32Array.of(w, -w)],
      biases: [Int32Array.of(7, 0)],
    });
    const window = Uint8Array.of(255);
    expect(largestValue(one(1000), window)).toBe(255 * 1000 * 2 + 7);
    expect(largestValue(one(-1000), window)).toBe(255 * 1000 * 2 - 7);
    expect(logits(one(1000), window)[0]).toBe(255_007);
    const large = 2 ** (RING_BITS - 1);
    expect(fits(one(Math.floor(large / 510) - 1), [window])).toBe(true);
    expect(fits(one(Math.ceil(large / 510) + 1), [window])).toBe(false);
  });

  test('agrees with the floating-point network, and better with more bits', () => {
    const agreement = (bits: number) => compare(model, roundModel(model, 'm', bits), windows);
    expect(agreement(9).classes).toBeGreaterThan(0.98);
    expect(agreement(9).largestLogitError).toBeLessThan(0.05);
    expect(agreement(4).largestLogitError).toBeGreaterThan(agreement(9).largestLogitError);
    const fixed = roundModel(model, 'm', 9);
    // Rounding, not cutting off, after hidden layers: errors do not lean to one side.
    const errors = windows.flatMap((window) => {
      const exact = floatLogits(model, window);
      return [...logits(fixed, window)].map((value, c) => value / 2 ** 17 - exact[c]);
    });
    expect(Math.abs(errors.reduce((a, b) => a + b, 0) / errors.length)).toBeLessThan(1e-3);
  });
});
