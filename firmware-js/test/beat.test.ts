import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BEAT_SAMPLES } from '@mozaik/protocol/envelope';
import {
  BeatSegmenter,
  DEFAULT_RR_SAMPLES,
  quantiseBeat,
  RrMedian,
  RR_HISTORY,
  validSamples,
} from '../src/beat.ts';
import { PeakDetector, REFRACTORY_SAMPLES } from '../src/peak.ts';

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

describe('quantiseBeat', () => {
  test('scales the valid samples to 0..255 and pads with zeros', () => {
    const out = new Uint8Array(BEAT_SAMPLES).fill(9);
    quantiseBeat(Int16Array.from([99, 99, -100, 0, 100, 99]), 2, 3, out);
    expect([...out.subarray(0, 4)]).toEqual([0, 128, 255, 0]);
    expect(out.subarray(3).every((value) => value === 0)).toBe(true);
  });

  test('equals the rounded quotient for every 32-bit sample', () => {
    const samples = fc.array(fc.integer(), { minLength: 2, maxLength: BEAT_SAMPLES });
    fc.assert(
      fc.property(samples, (values) => {
        const out = new Uint8Array(BEAT_SAMPLES);
        quantiseBeat(values, 0, values.length, out);
        const low = BigInt(Math.min(...values));
        const range = BigInt(Math.max(...values)) - low;
        const expected = values.map((x) =>
          range === 0n ? 0 : Number((510n * (BigInt(x) - low) + range) / (2n * range)),
        );
        expect([...out.subarray(0, values.length)]).toEqual(expected);
      }),
    );
  });

  test('gives zeros for a flat window', () => {
    const out = new Uint8Array(BEAT_SAMPLES).fill(9);
    quantiseBeat(new Int32Array(BEAT_SAMPLES).fill(700), 0, BEAT_SAMPLES, out);
    expect(out.every((value) => value === 0)).toBe(true);
  });

  test.each([
    ['an empty window', 0, 0, BEAT_SAMPLES],
    ['a window that is too long', 0, BEAT_SAMPLES + 1, BEAT_SAMPLES],
    ['a window beyond the samples', 200, 101, BEAT_SAMPLES],
    ['a negative start', -1, 10, BEAT_SAMPLES],
    ['a short output', 0, 10, BEAT_SAMPLES - 1],
  ])('throws on %s', (_, start, valid, length) => {
    const samples = new Int32Array(300);
    expect(() => {
      quantiseBeat(samples, start, valid, new Uint8Array(length));
    }).toThrow('heartbeat');
  });
});

describe('window length', () => {
  test('is 1.2 times the RR interval, at most a whole window', () => {
    expect([5, 100, 125, 155, 156, 400].map(validSamples)).toEqual([6, 120, 150, 186, 187, 187]);
  });

  test('follows the running median', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1000 }), { maxLength: 30 }), (intervals) => {
        const median = new RrMedian();
        intervals.forEach((rr) => {
          median.add(rr);
        });
        const recent = intervals.slice(-RR_HISTORY).sort((a, b) => a - b);
        expect(median.value()).toBe(
          recent.length === 0 ? DEFAULT_RR_SAMPLES : recent[(recent.length - 1) >> 1],
        );
      }),
    );
  });
});

describe('the segmenter', () => {
  test('cuts what quantiseBeat cuts from the whole record', () => {
    const { samples, peaks } = syntheticEcg(20, 90, 1, 1000);
    const windows: { window: Uint8Array; timeMs: number }[] = [];
    const segmenter = new BeatSegmenter({
      detect: false,
      onBeat: (window, timeMs) => windows.push({ window: window.slice(), timeMs }),
    });
    const median = new RrMedian();
    const expected = peaks.map((peak, i) => {
      if (i > 0) {
        median.add(peak - peaks[i - 1]);
      }
      const window = new Uint8Array(BEAT_SAMPLES);
      quantiseBeat(samples, peak, validSamples(median.value()), window);
      return { window, timeMs: 1000 + peak * SAMPLE_MS };
    });
    samples.forEach((sample, i) => {
      segmenter.push(sample, 1000 + i * SAMPLE_MS);
      if (peaks.includes(i - 12)) {
        segmenter.pushPeak(12);
      }
    });
    expect(windows).toEqual(expected);
  });

  test('detects and cuts by itself', () => {
    const { samples, peaks } = syntheticEcg(20, 100, 2, 1000);
    const times: number[] = [];
    const segmenter = new BeatSegmenter({
      onBeat: (window, timeMs) => {
        expect(window[0]).toBeGreaterThan(200);
        times.push(timeMs);
      },
    });
    samples.forEach((sample, i) => {
      segmenter.push(sample, i * SAMPLE_MS);
    });
    expect(times.length).toBe(peaks.filter((peak) => peak > LEARNT).length);
  });

  test('holds as many windows as the refractory time allows', () => {
    let windows = 0;
    const segmenter = new BeatSegmenter({ detect: false, onBeat: () => windows++ });
    // Slow beats make long windows; the sudden fast ones then overlap as far as they can.
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

  test('refuses peaks that are not held or too close', () => {
    const segmenter = new BeatSegmenter({ detect: false, onBeat: () => {} });
    expect(() => {
      segmenter.pushPeak(0);
    }).toThrow('not within');
    for (let i = 0; i < 300; i++) {
      segmenter.push(i, i * SAMPLE_MS);
    }
    expect(() => {
      segmenter.pushPeak(200);
    }).toThrow('not within');
    segmenter.pushPeak(20);
    expect(() => {
      segmenter.pushPeak(0);
    }).toThrow('refractory');
  });
});
