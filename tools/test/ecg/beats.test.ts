import { describe, expect, test } from '@jest/globals';
import { Segmenter } from '@mozaik/firmware';
import { AAMI_CLASSES, CLASS_NAMES, classOf, isAnomaly } from '../../src/ecg/aami.ts';
import { cutBeats } from '../../src/ecg/beats.ts';
import { resample } from '../../src/ecg/resample.ts';
import type { AnnotatedRecord } from '../../src/ecg/record.ts';
import { beatsFromRecord, beatsFromSynthesiser } from '../../src/ecg/source.ts';
import { synthesise } from '../../src/ecg/synthesiser.ts';
import { writeRecords } from './wfdb-writer.ts';

describe('AAMI classes', () => {
  test('are those of the standard, in the order of the models', () => {
    const symbols = 'NLRejAaJSVEF/fQ+~|x!"';
    expect([...symbols].map((symbol) => classOf(symbol) ?? '.').join('')).toBe(
      'NNNNNSSSSVVFQQQ......',
    );
    expect(AAMI_CLASSES.join('')).toBe('NSVFQ');
    expect(AAMI_CLASSES.map(isAnomaly)).toEqual([false, true, true, true, true]);
    expect(Object.keys(CLASS_NAMES)).toEqual([...AAMI_CLASSES]);
  });
});

describe('resampling', () => {
  const wave = (rate: number, hz: number, seconds: number): Int16Array =>
    Int16Array.from({ length: rate * seconds }, (_, i) =>
      Math.round(1000 * Math.sin((2 * Math.PI * hz * i) / rate)),
    );
  const amplitude = (samples: Int16Array): number =>
    Math.max(...samples.slice(50, -50).map((x) => Math.abs(x)));

  test('keeps what both rates can hold, in its place', () => {
    for (const hz of [1, 10, 30]) {
      const expected = wave(125, hz, 4);
      const result = resample(wave(360, hz, 4), 360, 125);
      expect(result).toHaveLength(500);
      for (let i = 50; i < 450; i++)
        expect(Math.abs(result[i] - expected[i])).toBeLessThanOrEqual(3);
    }
  });

  test('removes what would alias', () => {
    expect(amplitude(resample(wave(360, 80, 4), 360, 125))).toBeLessThan(10);
  });

  test('keeps a constant and copies at equal rates', () => {
    expect(new Set(resample(new Int16Array(720).fill(-77), 360, 125))).toEqual(new Set([-77]));
    const samples = Int16Array.of(1, 2, 3);
    expect(resample(samples, 125, 125)).toEqual(samples);
    expect(() => resample(samples, 0, 125)).toThrow(RangeError);
  });
});

describe('beats', () => {
  /** A ramp at 125 Hz with beats at these samples. */
  const ramp = (length: number, peaks: [number, string][]): AnnotatedRecord => ({
    record: {
      name: 'ramp',
      rateHz: 125,
      leads: [
        {
          ...{ description: '', gain: 200, baseline: 0, units: 'mV' },
          samples: Int16Array.from({ length }, (_, i) => i),
        },
      ],
      comments: [],
    },
    annotations: peaks.map(([sample, symbol]) => ({ sample, code: 0, symbol })),
  });
  const peaks: [number, string][] = [
    [100, 'N'],
    [150, '+'],
    [200, 'V'],
    [260, 'N'],
    [360, 'A'],
    [399, 'N'],
  ];

  test('are cut at every annotated beat, to the very ends of the record', () => {
    const beats = cutBeats(ramp(400, peaks));
    expect(beats.map(({ label }) => label).join('')).toBe('NVNSN');
    expect(beats.map(({ timeMs }) => timeMs)).toEqual([800, 1600, 2080, 2880, 3192]);
    for (const { window } of beats) {
      expect(window).toHaveLength(187);
      expect(window[186]).toBe(3);
    }
    // On a straight line every beat is the usual one: the whole span is 80 of 256 high.
    expect(beats[1].window[74] - beats[1].window[0]).toBeCloseTo(80, -1);
    // Intervals in samples: of the first beat the next one.
    expect(beats.map(({ window }) => window[113 + 20])).toEqual([100, 100, 60, 100, 39]);
  });

  test('are cut of another lead, and late or early when shifted', () => {
    const source = ramp(400, peaks);
    const { samples } = source.record.leads[0];
    source.record.leads.push({ ...source.record.leads[0], samples: samples.map((x) => -x) });
    const [, first] = cutBeats(source);
    const [, second] = cutBeats(source, { lead: 1 });
    expect(second.window[74]).toBeLessThan(first.window[74]);
    const spike = ramp(400, [[50, 'N']]);
    spike.record.leads[0].samples[52] = 1000;
    const [late] = cutBeats(spike, { shift: 2 });
    expect(late.window.indexOf(Math.max(...late.window.slice(0, 75)))).toBe(30);
  });

  test('are the very windows that a board cuts at the same peaks', () => {
    const source = synthesise({ seed: 11, beats: 60 });
    const samples = resample(source.record.leads[0].samples, 360, 125);
    const peaks = new Set(source.annotations.map(({ sample }) => Math.round((sample * 125) / 360)));
    const windows: Uint8Array[] = [];
    const board = new Segmenter({
      detect: false,
      onBeat: (window) => windows.push(window.slice()),
    });
    samples.forEach((sample, i) => {
      board.push(sample, i * 8);
      if (peaks.has(i)) board.pushPeak(0);
    });
    expect(windows).toEqual(cutBeats(source).map(({ window }) => window));
  });

  test('are found by the board detector in synthetic signals, premature ones too', () => {
    const source = synthesise({ seed: 4, beats: 150, ventricular: 0.15, supraventricular: 0.1 });
    const found: number[] = [];
    const board = new Segmenter({ onBeat: (_, timeMs) => found.push(Math.round(timeMs / 8)) });
    resample(source.record.leads[0].samples, 360, 125).forEach((sample, i) =>
      board.push(sample, i * 8),
    );
    // The detector learns its threshold for two seconds.
    const late = source.annotations.filter(({ sample }) => sample > 2.5 * 360);
    const missed = late.filter(({ sample }) => {
      const peak = Math.round((sample * 125) / 360);
      return !found.some((at) => Math.abs(at - peak) <= 2);
    });
    expect(missed).toEqual([]);
  });

  test('come alike from a file and from the synthesiser', async () => {
    const options = { seed: 5, beats: 12 };
    const synthetic = beatsFromSynthesiser(options);
    expect(synthetic).toHaveLength(12);
    const dir = await writeRecords([synthesise(options)]);
    expect(await beatsFromRecord(dir, 'synthetic-5')).toEqual(synthetic);
    expect(await beatsFromRecord(dir, 'synthetic-5', 4)).toEqual(synthetic.slice(0, 4));
  });
});
