import { describe, expect, test } from '@jest/globals';
import { augmenter } from '../../src/model/augment.ts';
import { loadPersons, personFrom, synthesisePersons } from '../../src/model/dataset.ts';
import { evaluate, floatVerdict } from '../../src/model/evaluate.ts';
import { classWeights, train } from '../../src/model/train.ts';
import { seededRandom } from '../../src/ecg/random.ts';
import { cutBeats } from '../../src/ecg/beats.ts';
import { synthesise } from '../../src/ecg/synthesiser.ts';
import { writeRecords } from '../ecg/wfdb-writer.ts';

describe('data', () => {
  test('cuts each beat at several places', () => {
    const source = synthesise({ seed: 2, beats: 30 });
    const { beats, examples } = personFrom(source);
    expect(beats).toEqual(cutBeats(source));
    examples.forEach(({ windows, target }, i) => {
      expect(windows).toHaveLength(4);
      expect(windows[0]).toBe(beats[i].window);
      expect(target).toBe('NSVFQ'.indexOf(beats[i].label));
    });
  });

  test('leaves out records with a pacemaker', async () => {
    const sources = [1, 2, 3].map((seed) => synthesise({ seed, beats: 4 }));
    sources[1].annotations[2] = { ...sources[1].annotations[2], code: 12, symbol: '/' };
    const persons = await loadPersons(await writeRecords(sources));
    expect(persons.map(({ name }) => name)).toEqual(['synthetic-1', 'synthetic-3']);
    await expect(loadPersons('/nonexistent')).rejects.toMatchObject({ code: 'INPUT_FILE' });
  });

  test('is varied within bounds, and keeps its length', () => {
    const vary = augmenter(seededRandom(1));
    const [{ window }] = cutBeats(synthesise({ seed: 2, beats: 1, heartRate: 100 }));
    const valid = window.findLastIndex((value) => value > 0) + 1;
    const [first, second] = [new Float32Array(187), new Float32Array(187)];
    vary(window, first);
    vary(window, second);
    expect(first).not.toEqual(second);
    for (const out of [first, second]) {
      expect(out.slice(valid).every((value) => value === 0)).toBe(true);
      expect(Math.min(...out)).toBeCloseTo(0, 5);
      expect(Math.max(...out)).toBeCloseTo(255 / 256, 5);
      const distance = out.reduce((sum, x, i) => sum + Math.abs(x - window[i] / 256), 0) / valid;
      expect(distance).toBeLessThan(0.3);
    }
    vary(new Uint8Array(187), first);
    expect(first.every((value) => value === 0)).toBe(true);
  });
});

describe('trainer', () => {
  test('weighs rare classes more, within a limit, with a mean of one', () => {
    const examples = [...'0000000000000000122222222'].map((c) => ({
      windows: [],
      target: Number(c),
    }));
    const weights = classWeights(examples, 4);
    expect(weights[1] / weights[0]).toBeCloseTo(2, 6);
    expect(weights[3]).toBe(0);
    const mean = examples.reduce((sum, { target }) => sum + weights[target], 0) / 25;
    expect(mean).toBeCloseTo(1, 6);
    const lopsided = [...Array.from({ length: 5000 }, () => 0), 1];
    const [common, rare] = classWeights(
      lopsided.map((target) => ({ windows: [], target })),
      2,
    );
    expect(rare / common).toBeCloseTo(5, 6);
  });

  test('learns synthetic beats well enough for persons it has not seen', () => {
    const examples = synthesisePersons(1, 12, 120).flatMap((person) => person.examples);
    const unseen = synthesisePersons(500, 4, 100).flatMap((person) => person.beats);
    const losses: number[] = [];
    const options = { widths: [187, 12, 5], seed: 1, epochs: 20 };
    const model = train(examples, {
      ...options,
      onEpoch: (_epoch, _model, loss) => losses.push(loss) > 0,
    });
    expect(losses).toHaveLength(20);
    expect(losses[19]).toBeLessThan(losses[0] / 3);
    const figures = evaluate(unseen, (window) => floatVerdict(model, window));
    expect(figures.accuracy).toBeGreaterThan(0.9);
    expect(figures.sensitivity.V).toBeGreaterThan(0.9);
  });

  test('gives the same model for the same seed, and stops when told', () => {
    const examples = synthesisePersons(1, 1, 80).flatMap((person) => person.examples);
    const run = (seed: number, stopAfter: number) =>
      train(examples, {
        ...{ widths: [187, 4, 5], seed, epochs: 3 },
        onEpoch: (epoch) => epoch < stopAfter,
      });
    expect(run(1, 3)).toEqual(run(1, 3));
    expect(run(1, 3)).not.toEqual(run(2, 3));
    expect(run(1, 3)).not.toEqual(run(1, 1));
  });

  test('refuses nothing to train on and windows that do not fit', () => {
    const options = { widths: [10, 5], seed: 1, epochs: 1 };
    expect(() => train([], options)).toThrow(RangeError);
    expect(() => train([{ windows: [new Uint8Array(9)], target: 0 }], options)).toThrow(RangeError);
  });
});
