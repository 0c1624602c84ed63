import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { PeakDetector, REFRACTORY_SAMPLES } from '../src/peak.ts';
import { Segmenter } from '../src/segmenter.ts';

const SAMPLE_MS = 8;
const NOISE = 8;

/** Small deterministic generator, so that a failing signal can be seen again. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const bump = (t: number, centre: number, width: number) => Math.exp(-(((t - centre) / width) ** 2));

/**
 * A pulse train in the shape of an ECG with P, QRS and T waves, baseline wander and noise.
 *
 * @returns the samples and the positions of the R peaks.
 */
function syntheticEcg(beats: number, rr: number, seed: number, gain: number) {
  const random = generator(seed);
  const peaks: number[] = [];
  for (let at = rr; peaks.length < beats;) {
    peaks.push(at);
    at += Math.round(rr * (0.9 + 0.2 * random()));
  }
  const samples = new Int32Array(peaks[beats - 1] + 300);
  for (let t = 0; t < samples.length; t++) {
    let value = 60 * Math.sin(t / 150);
    for (const peak of peaks) {
      if (Math.abs(t - peak) < 100) {
        value += gain * (bump(t, peak, 2.2) - 0.2 * bump(t, peak + 4, 2));
        value += gain * (0.12 * bump(t, peak - 20, 6) + 0.25 * bump(t, peak + 28, 9));
      }
    }
    samples[t] = Math.round(value + NOISE * (random() - 0.5));
  }
  return { samples, peaks };
}

const signal = fc.record({
  rr: fc.integer({ min: 55, max: 150 }),
  seed: fc.nat(),
  gain: fc.constantFrom(300, 1000, 20000, -1000),
});

/** After two seconds of learning every beat counts. */
const LEARNT = 260;

describe('R-peak detection', () => {
  test('finds every beat of a synthetic ECG within two samples, and nothing else', () => {
    fc.assert(
      fc.property(signal, ({ rr, seed, gain }) => {
        const { samples, peaks } = syntheticEcg(30, rr, seed, gain);
        const detector = new PeakDetector();
        const found: number[] = [];
        samples.forEach((sample, i) => {
          const ago = detector.push(sample);
          if (ago >= 0) {
            found.push(i - ago);
          }
        });
        const near = (peak: number, others: number[]) =>
          others.some((other) => Math.abs(peak - other) <= 2);
        expect(peaks.filter((peak) => peak > LEARNT && !near(peak, found))).toEqual([]);
        expect(found.filter((peak) => !near(peak, peaks))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test('never reports two peaks within the refractory time, on any input', () => {
    const wild = fc.array(fc.integer({ min: -(2 ** 19), max: 2 ** 19 - 1 }), {
      minLength: 400,
      maxLength: 1200,
    });
    fc.assert(
      fc.property(wild, (samples) => {
        const detector = new PeakDetector();
        let last = -Infinity;
        let reported = 0;
        samples.forEach((sample, i) => {
          const ago = detector.push(sample);
          if (ago >= 0) {
            expect(i - ago - last).toBeGreaterThanOrEqual(REFRACTORY_SAMPLES);
            last = i - ago;
            reported++;
          }
        });
        expect(reported).toBeGreaterThan(0);
      }),
      { numRuns: 50 },
    );
  });

  test('is silent on a quiet input', () => {
    const detector = new PeakDetector();
    const random = generator(3);
    const answers = Array.from({ length: 2000 }, () => detector.push(500 + Math.round(random())));
    expect(answers.every((ago) => ago === -1)).toBe(true);
  });
});

describe('the segmenter with its own detector', () => {
  test('cuts one window for every beat', () => {
    const { samples, peaks } = syntheticEcg(20, 100, 2, 1000);
    const times: number[] = [];
    const segmenter = new Segmenter({ onBeat: (_, timeMs) => times.push(timeMs) });
    samples.forEach((sample, i) => {
      segmenter.push(sample, i * SAMPLE_MS);
    });
    expect(times.length).toBe(peaks.filter((peak) => peak > LEARNT).length);
  });

  test('holds as many windows as the refractory time allows', () => {
    let windows = 0;
    const segmenter = new Segmenter({ detect: false, onBeat: () => windows++ });
    // After a long pause beats come as fast as they can.
    const isPeak = (i: number) =>
      i < 1800 ? i % 180 === 0 : i < 3000 && (i - 1800) % REFRACTORY_SAMPLES === 0;
    let peaks = 0;
    for (let i = 0; i < 4000; i++) {
      segmenter.push(i % 50, i * SAMPLE_MS);
      if (isPeak(i)) {
        segmenter.pushPeak(0);
        peaks++;
      }
    }
    expect(windows).toBe(peaks);
  });
});
