import { describe, expect, test } from '@jest/globals';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isProven } from '../../src/model/bounds.ts';
import { beatsFromRecord, beatsFromSynthesiser } from '../../src/ecg/source.ts';
import { synthesisePersons } from '../../src/model/dataset.ts';
import { evaluate, fixedVerdict, type Figures } from '../../src/model/evaluate.ts';
import { readModelFile } from '../../src/model/file.ts';
import { fits } from '../../src/model/quantise.ts';
import { SYNTHETIC_SEEDS } from '../../src/model/recipe.ts';
import { recordings } from '../ecg/shared.ts';

const models = fileURLToPath(new URL('../../models/', import.meta.url));
const { model, figures } = await readModelFile(resolve(models, 'mlp-187-64-32-5.json'));
const measure = (beats: Parameters<typeof evaluate>[0]): Figures =>
  evaluate(beats, (window) => fixedVerdict(model, window));

describe('the model that comes with the tools', () => {
  test('has the architecture that the cost table is about', () => {
    expect(model.widths).toEqual([187, 64, 32, 5]);
  });

  test('classifies synthetic persons that it has never seen', () => {
    const beats = synthesisePersons(SYNTHETIC_SEEDS.holdOut, 4, 260).flatMap(
      (person) => person.beats,
    );
    expect(measure(beats).accuracy).toBeGreaterThanOrEqual(0.95);
    expect(
      fits(
        model,
        beats.map(({ window }) => window),
      ),
    ).toBe(true);
  });

  test('classifies the default synthetic source', () => {
    const { accuracy, anomalyAuc } = measure(beatsFromSynthesiser({ seed: 2026, beats: 500 }));
    expect(accuracy).toBeGreaterThanOrEqual(0.95);
    expect(anomalyAuc).toBeGreaterThan(0.95);
  });

  test('is proven to stay in its ring, as is the square network', async () => {
    expect(isProven(model, 'relu')).toBe(true);
    const square = await readModelFile(resolve(models, 'square-187-64-5.json'));
    expect(square.float.activation).toBe('square');
    expect(isProven(square.model, 'square')).toBe(true);
  });

  test('says how good it is on people it has not seen', () => {
    const { byPerson } = figures as Record<'byPerson', Figures>;
    expect(byPerson.beats).toBeGreaterThan(50_000);
    expect(byPerson.accuracy).toBeGreaterThanOrEqual(0.94);
    expect(byPerson.anomalyAuc).toBeGreaterThanOrEqual(0.97);
    expect(byPerson.sensitivity.V).toBeGreaterThanOrEqual(0.92);
    expect(byPerson.predictivity.V).toBeGreaterThanOrEqual(0.85);
    expect(byPerson.sensitivity.S).toBeGreaterThanOrEqual(0.7);
    expect(byPerson.predictivity.S).toBeGreaterThanOrEqual(0.5);
  });

  const dir = recordings();
  (dir === undefined ? test.skip : test)(
    'classifies record 208',
    async () => {
      const beats = await beatsFromRecord(dir!, '208');
      const { accuracy } = measure(beats);
      expect(accuracy).toBeGreaterThanOrEqual(0.9);
      expect((figures.trainingRecords as Record<string, number>)['208']).toBeCloseTo(accuracy, 3);
    },
    120_000,
  );
});
