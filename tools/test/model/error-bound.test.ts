/** The bound on what rounding does, against windows made to come near it. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { seededRandom } from '../../src/ecg/random.ts';
import { errorBound } from '../../src/model/error-bound.ts';
import { readModelFile } from '../../src/model/file.ts';
import { fixedLogits, logitFractionBits } from '../../src/model/fixed.ts';
import { initialise, type Activation, type FloatModel } from '../../src/model/network.ts';
import { balance, roundModel } from '../../src/model/quantise.ts';
import { SHIPPED_MODEL } from '../../src/stack/household.ts';

/** Logits before rounding, in doubles. */
function exactLogits({ weights, biases, widths, activation }: FloatModel, window: Uint8Array) {
  let x = Array.from(window, (byte) => byte / 256);
  weights.forEach((layer, l) => {
    const z = Array.from(biases[l], (bias, o) =>
      x.reduce((sum, value, i) => sum + layer[o * widths[l] + i] * value, bias),
    );
    if (l === weights.length - 1) x = z;
    else x = z.map((value) => (activation === 'relu' ? Math.max(0, value) : value * value));
  });
  return x;
}

function worst(float: FloatModel, fixed: ReturnType<typeof roundModel>, windows: Uint8Array[]) {
  const one = 2 ** logitFractionBits(fixed, float.activation);
  return Math.max(
    ...windows.flatMap((window) => {
      const values = fixedLogits(fixed, float.activation, window);
      return exactLogits(float, window).map((value, c) => Math.abs(values[c] / one - value));
    }),
  );
}

function randomModel(activation: Activation, fractionBits: number, seed: number) {
  const random = seededRandom(seed);
  const raw = initialise([187, 12, ...(activation === 'relu' ? [7] : []), 5], activation, random);
  for (const layer of raw.biases) layer.forEach((_, o) => (layer[o] = random.normal() / 4));
  const float = activation === 'relu' ? balance(raw, fractionBits) : raw;
  return { float, fixed: roundModel(float, 'random', fractionBits) };
}

describe('error bound', () => {
  test('is nearly met by a single layer on the worst window for it', () => {
    const { float } = randomModel('relu', 6, 3);
    const single: FloatModel = {
      activation: 'relu',
      widths: [187, 1],
      weights: [float.weights[0].slice(0, 187)],
      biases: [float.biases[0].slice(0, 1)],
    };
    const rounded = roundModel(single, 'single', 6);
    const signs = [1, -1].map((sign) =>
      Uint8Array.from(single.weights[0], (weight, i) =>
        sign * (rounded.weights[0][i] / 64 - weight) > 0 ? 255 : 0,
      ),
    );
    const { logit } = errorBound(single, rounded);
    const found = worst(single, rounded, signs);
    expect(found).toBeLessThanOrEqual(logit * (1 + 1e-9));
    expect(found).toBeGreaterThan(logit / 4);
  });

  test.each(['relu', 'square'] as const)(
    'holds for random %s networks and windows',
    (activation) => {
      fc.assert(
        fc.property(
          fc.nat(),
          fc.integer({ min: 4, max: 8 }),
          fc.array(fc.uint8Array({ minLength: 187, maxLength: 187 }), {
            minLength: 4,
            maxLength: 4,
          }),
          (seed, fractionBits, windows) => {
            const { float, fixed } = randomModel(activation, fractionBits, seed);
            const extreme = windows.map((window) => window.map((byte) => (byte > 127 ? 255 : 0)));
            const found = worst(float, fixed, [...windows, ...extreme]);
            expect(found).toBeLessThanOrEqual(errorBound(float, fixed).logit);
          },
        ),
        { numRuns: 40 },
      );
    },
  );

  test('of the model that ships', async () => {
    const { model, float } = await readModelFile(SHIPPED_MODEL);
    const { logit, relative } = errorBound(float, model);
    expect(relative).toBeLessThan(0.1);
    const random = seededRandom(1);
    const windows = Array.from({ length: 50 }, () =>
      Uint8Array.from({ length: 187 }, () => Math.floor(random.between(0, 256))),
    );
    expect(worst(float, model, windows)).toBeLessThanOrEqual(logit);
  });
});
