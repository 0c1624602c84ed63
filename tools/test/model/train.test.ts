import { describe, expect, test } from '@jest/globals';
import { loadRecords, personFrom, synthesisePersons } from '../../src/model/dataset.ts';
import { evaluate, floatVerdict } from '../../src/model/evaluate.ts';
import { replan } from '../../src/model/rhythm.ts';
import { exampleWeights, train } from '../../src/model/train.ts';
import { seededRandom } from '../../src/ecg/random.ts';
import { cutBeats } from '../../src/ecg/beats.ts';
import { synthesise } from '../../src/ecg/synthesiser.ts';
import { writeRecords } from '../ecg/wfdb-writer.ts';

const ALL = { activation: 'relu' as const };

describe('data', () => {
  test('holds the recorded beats and other rhythms of the same heart', () => {
    const source = synthesise({ seed: 2, beats: 120 });
    const { beats, examples } = personFrom(source, 1);
    expect(beats).toEqual(cutBeats(source));
    expect(examples.slice(0, 120).map(({ window }) => window)).toEqual(
      beats.map(({ window }) => window),
    );
    // Five of fibrillation with 300 beats, two of ectopy with at least 400.
    expect(examples.length).toBeGreaterThanOrEqual(120 + 5 * 300 + 2 * 400);
    expect(new Set(examples.map(({ person }) => person))).toEqual(new Set(['synthetic-2']));
    expect(personFrom(source, 1)).toEqual(personFrom(source, 1));
    expect(personFrom(source, 2)).not.toEqual(personFrom(source, 1));
  });

  test('rhythms: fibrillation is irregular and normal, ectopy has early beats', () => {
    const source = synthesise({ seed: 2, beats: 120, ventricular: 0, supraventricular: 0 });
    const intervals = (list: { timeMs: number }[]) =>
      list.slice(1).map(({ timeMs }, i) => timeMs - list[i].timeMs);
    const fibrillation = replan(source, 0, 'fibrillation', 300, seededRandom(1));
    expect(new Set(fibrillation.map(({ label }) => label))).toEqual(new Set(['N']));
    const rr = intervals(fibrillation);
    const mean = rr.reduce((a, b) => a + b, 0) / rr.length;
    const deviation = Math.sqrt(rr.reduce((sum, x) => sum + (x - mean) ** 2, 0) / rr.length);
    expect(deviation / mean).toBeGreaterThan(0.1);
    const ectopy = replan(source, 0, 'ectopy', 400, seededRandom(1));
    const early = ectopy.flatMap(({ label, timeMs }, i) =>
      label === 'S' && i > 0 && ectopy[i - 1].label === 'N' ? [timeMs - ectopy[i - 1].timeMs] : [],
    );
    const usual = intervals(ectopy).sort((a, b) => a - b)[200];
    expect(early.length).toBeGreaterThan(4);
    expect(early.filter((x) => x < usual).length / early.length).toBeGreaterThan(0.9);
    expect(replan(synthesise({ seed: 2, beats: 20 }), 0, 'ectopy', 10, seededRandom(1))).toEqual(
      [],
    );
  });

  test('leaves out records with a pacemaker', async () => {
    const sources = [1, 2, 3].map((seed) => synthesise({ seed, beats: 4 }));
    sources[1].annotations[2] = { ...sources[1].annotations[2], code: 12, symbol: '/' };
    const records = await loadRecords(await writeRecords(sources));
    expect(records.map(({ record }) => record.name)).toEqual(['synthetic-1', 'synthetic-3']);
    await expect(loadRecords('/nonexistent')).rejects.toMatchObject({ code: 'INPUT_FILE' });
  });
});

describe('trainer', () => {
  test('weighs rare classes more, much recorded persons less, with a mean of one', () => {
    const example = (person: string, target: number) => ({
      ...{ person, target },
      window: new Uint8Array(),
    });
    const examples = [
      ...Array.from({ length: 3200 }, () => example('a', 0)),
      ...Array.from({ length: 200 }, () => example('b', 0)),
      ...Array.from({ length: 10 }, () => example('b', 1)),
    ];
    const weights = exampleWeights(examples, 2);
    // Sixteen times as many beats as count in full.
    expect(weights[3200] / weights[0]).toBeCloseTo(2, 5);
    expect(weights[3400] / weights[3200]).toBeCloseTo(((3200 / 2 + 200) / 10) ** 0.1, 5);
    expect(weights.reduce((a, b) => a + b, 0) / weights.length).toBeCloseTo(1, 5);
  });

  test('learns synthetic beats well enough for persons it has not seen', () => {
    const examples = synthesisePersons(1, 12, 120).flatMap((person) => person.examples);
    const unseen = synthesisePersons(500, 4, 100).flatMap((person) => person.beats);
    const losses: number[] = [];
    const options = { ...ALL, widths: [187, 12, 5], seed: 1, epochs: 20 };
    const model = train(examples, {
      ...options,
      onEpoch: (_epoch, _model, loss) => losses.push(loss) > 0,
    });
    expect(losses).toHaveLength(20);
    expect(losses[19]).toBeLessThan(losses[0] / 2);
    const figures = evaluate(unseen, (window) => floatVerdict(model, window));
    expect(figures.accuracy).toBeGreaterThan(0.9);
    expect(figures.sensitivity.V).toBeGreaterThan(0.9);
  });

  test('gives the same model for the same seed, and stops when told', () => {
    const examples = synthesisePersons(1, 1, 80).flatMap((person) => person.examples);
    const run = (seed: number, stopAfter: number) =>
      train(examples, {
        ...{ ...ALL, widths: [187, 4, 5], seed, epochs: 3 },
        onEpoch: (epoch) => epoch < stopAfter,
      });
    expect(run(1, 3)).toEqual(run(1, 3));
    expect(run(1, 3)).not.toEqual(run(2, 3));
    expect(run(1, 3)).not.toEqual(run(1, 1));
  });

  test('refuses nothing to train on and windows that do not fit', () => {
    const options = { ...ALL, widths: [10, 5], seed: 1, epochs: 1 };
    expect(() => train([], options)).toThrow(RangeError);
    expect(() => train([{ window: new Uint8Array(9), target: 0, person: 'a' }], options)).toThrow(
      RangeError,
    );
  });
});
