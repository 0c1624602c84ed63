import { describe, expect, test } from '@jest/globals';
import { BeatSegmenter } from '@mozaik/firmware';
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
  const validOf = (window: Uint8Array): number => window.findLastIndex((value) => value !== 0) + 1;

  test('begin at the peak, last 1.2 median intervals and are scaled to 0..255', () => {
    const peaks: [number, string][] = [
      ...([
        [100, 'N'],
        [150, '+'],
        [200, 'V'],
      ] as [number, string][]),
      ...([
        [260, 'N'],
        [360, 'A'],
        [900, 'N'],
      ] as [number, string][]),
    ];
    const beats = cutBeats(ramp(1000, peaks));
    expect(beats.map(({ label }) => label).join('')).toBe('NVNS');
    expect(beats.map(({ timeMs }) => timeMs)).toEqual([800, 1600, 2080, 2880]);
    // No interval yet: one second assumed; then medians (lower of two) 100, 60, 100.
    expect(beats.map(({ window }) => validOf(window))).toEqual([150, 120, 72, 120]);
    for (const { window } of beats) {
      expect(window).toHaveLength(187);
      expect(window[0]).toBe(0);
      expect(Math.max(...window)).toBe(255);
    }
    expect([...beats[2].window.slice(0, 4)]).toEqual([0, 4, 7, 11]);
  });

  test('leave out what passes the end, and begin late or early when shifted', () => {
    expect(
      cutBeats(
        ramp(400, [
          [10, 'N'],
          [130, 'N'],
          [300, 'N'],
        ]),
      ),
    ).toHaveLength(2);
    expect(
      cutBeats(
        ramp(400, [
          [1, 'N'],
          [130, 'N'],
        ]),
        -2,
      ),
    ).toHaveLength(1);
    const samples = ramp(400, [[50, 'N']]);
    samples.record.leads[0].samples[52] = 1000;
    expect(cutBeats(samples, 2)[0].window[0]).toBe(255);
  });

  test('are the very windows that a board cuts at the same peaks', () => {
    const source = synthesise({ seed: 11, beats: 60 });
    const samples = resample(source.record.leads[0].samples, 360, 125);
    const peaks = new Set(source.annotations.map(({ sample }) => Math.round((sample * 125) / 360)));
    const windows: Uint8Array[] = [];
    const board = new BeatSegmenter({
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
    const board = new BeatSegmenter({ onBeat: (_, timeMs) => found.push(Math.round(timeMs / 8)) });
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
