import { BEAT_SAMPLES } from '@mozaik/protocol';
import { describe, expect, test } from '@jest/globals';
import { BeatContext, CONTEXT_LAYOUT, SCALARS, SCALARS_FROM } from '../src/context.ts';
import { RR_MAX } from '../src/rhythm.ts';
import { log2, relation, RunningOrder, toByte } from '../src/running.ts';
import { Segmenter } from '../src/segmenter.ts';
import {
  AFTER,
  BEFORE,
  HIGH,
  LOW,
  newComparison,
  QRS,
  Shape,
  SPREAD,
  UNIT,
  WHOLE,
  WIDTH,
} from '../src/shape.ts';

/** A heart with a P wave, a QRS complex and a T wave about each peak. */
function heart(peaks: number[], length: number, wide: number[] = []): Int16Array {
  const out = new Int16Array(length);
  const wave = (at: number, height: number, width: number): void => {
    for (let i = -3 * width; i <= 3 * width; i++) {
      const x = at + i;
      if (x >= 0 && x < length)
        out[x] += Math.round(height * Math.exp(-(i * i) / (2 * width * width)));
    }
  };
  for (const peak of peaks) {
    wave(peak - 20, 30, 3);
    wave(peak, 300, wide.includes(peak) ? 8 : 2);
    wave(peak + 28, 60, 5);
  }
  return out;
}

const MASK = (1 << 14) - 1;
const padded = (samples: Int16Array): Int16Array => {
  const out = new Int16Array(MASK + 1);
  out.set(samples);
  return out;
};

function describeAll(peaks: number[], wide: number[] = []): Uint8Array[] {
  const samples = padded(heart(peaks, peaks[peaks.length - 1] + 400, wide));
  const context = new BeatContext();
  return peaks.map((peak, i) => {
    const out = new Uint8Array(BEAT_SAMPLES);
    const post = i + 1 < peaks.length ? peaks[i + 1] - peak : RR_MAX;
    context.describe(samples, peak, MASK, i > 0 ? peak - peaks[i - 1] : 0, post, out);
    return out;
  });
}

const regular = (count: number, rr = 100): number[] =>
  Array.from({ length: count }, (_, i) => 100 + rr * i);
const scalar = (window: Uint8Array, n: number): number => window[SCALARS_FROM + n];
/** Scalars by index: the interval beside the mean and the basic rhythm, the next beside the basic one. */
const BY_MEAN = 0;
const BY_BASIC = 6;
const NEXT_BY_BASIC = 7;
/** Both intervals beside seven running ones, and the three last intervals beside two. */
const RELATIONS = 20;
/** The size of the whole beat's difference from the usual one. */
const sizeOf = (window: Uint8Array): number => scalar(window, SCALARS - 1);

describe('windows of layout 3', () => {
  test('fit 187 bytes and end with the number of the layout', () => {
    expect(SCALARS_FROM + SCALARS).toBe(BEAT_SAMPLES - 1);
    for (const window of describeAll(regular(3))) {
      expect(window[BEAT_SAMPLES - 1]).toBe(CONTEXT_LAYOUT);
    }
    expect(() => new BeatContext().describe([], 0, 0, 0, 0, new Uint8Array(186))).toThrow('187');
  });

  test('say nothing unusual of a regular heart', () => {
    const window = describeAll(regular(20))[18];
    // The peak at its place, 80/256 of the usual height above the middle.
    expect(window.indexOf(Math.max(...window.slice(0, BEFORE + AFTER)))).toBe(BEFORE);
    expect([...window.slice(BEFORE + AFTER, SCALARS_FROM)]).toEqual(Array(38).fill(128));
    // Intervals: all relations are one.
    for (let n = 0; n < RELATIONS; n++) expect(scalar(window, n)).toBe(128);
    for (const n of [0, 1, 2]) expect(scalar(window, RELATIONS + n)).toBe(100);
    // No difference of any kind from the usual beat.
    expect([...window.slice(SCALARS_FROM + SCALARS - 8, SCALARS_FROM + SCALARS)]).toEqual(
      Array(8).fill(0),
    );
  });

  test('tell an early beat by its interval and a wide one by its shape', () => {
    const early = regular(20);
    early[15] -= 30;
    const [usual, found] = [describeAll(regular(20))[15], describeAll(early)[15]];
    // 70 instead of 100: 128 - 220 * 0.3.
    expect(scalar(found, BY_BASIC)).toBe(62);
    expect(scalar(found, NEXT_BY_BASIC)).toBe(Math.floor(128 + 220 * 0.3));
    const wide = describeAll(regular(20), [early[14]])[14];
    expect(sizeOf(usual)).toBeLessThan(10);
    expect(sizeOf(wide)).toBeGreaterThan(100);
  });

  test('remember the basic rhythm through a long run of early beats', () => {
    const peaks = regular(30);
    for (let i = 0; i < 60; i++) peaks.push(peaks[peaks.length - 1] + 55);
    const windows = describeAll(peaks);
    // The running mean of all beats has followed; the basic rhythm has not.
    expect(scalar(windows[85], BY_MEAN)).toBeGreaterThan(115);
    expect(scalar(windows[85], BY_BASIC)).toBeLessThan(80);
  });

  test('take another shape for usual when it stays', () => {
    const peaks = regular(80);
    const windows = describeAll(peaks, peaks.slice(30));
    expect(sizeOf(windows[30])).toBeGreaterThan(100);
    expect(sizeOf(windows[79])).toBeLessThan(10);
  });

  test('find a beat that the detector missed by two samples', () => {
    const peaks = regular(20);
    const samples = padded(heart(peaks, 2600));
    const context = new BeatContext();
    const out = new Uint8Array(BEAT_SAMPLES);
    peaks.forEach((peak, i) =>
      context.describe(
        samples,
        i === 18 ? peak + 2 : peak,
        MASK,
        i > 0 ? 100 : 0,
        100,
        out.fill(0),
      ),
    );
    expect(sizeOf(out)).toBe(0);
  });
});

describe('the segmenter', () => {
  test('gives the same windows as cutting the whole record', () => {
    const peaks = [100, 200, 290, 380, 420, 640, 900, 1000];
    const samples = heart(peaks, 1300);
    const got: [Uint8Array, number][] = [];
    const segmenter = new Segmenter({
      detect: false,
      onBeat: (window, timeMs) => got.push([window.slice(), timeMs]),
    });
    samples.forEach((sample, i) => {
      segmenter.push(sample, 8 * i);
      if (peaks.includes(i - 12)) segmenter.pushPeak(12);
    });
    const context = new BeatContext();
    const expected = peaks.map((peak, i): [Uint8Array, number] => {
      const out = new Uint8Array(BEAT_SAMPLES);
      const post = i + 1 < peaks.length ? peaks[i + 1] - peak : RR_MAX;
      context.describe(padded(samples), peak, MASK, i > 0 ? peak - peaks[i - 1] : 0, post, out);
      return [out, 8 * peak];
    });
    expect(got).toEqual(expected);
  });

  test('does not wait for ever, and refuses peaks that cannot be', () => {
    let count = 0;
    const segmenter = new Segmenter({ detect: false, onBeat: () => count++ });
    for (let i = 0; i < 150; i++) segmenter.push(i % 7, 8 * i);
    segmenter.pushPeak(0);
    expect(() => segmenter.pushPeak(0)).toThrow('refractory');
    expect(() => segmenter.pushPeak(20)).toThrow('last samples');
    for (let i = 0; i < 205; i++) segmenter.push(i % 7, 8 * i);
    expect(count).toBe(0);
    for (let i = 0; i < 5; i++) segmenter.push(i % 7, 8 * i);
    expect(count).toBe(1);
  });
});

describe('shapes', () => {
  /** Any two beats of different height, level and form. */
  const waves = [1, 7].map((seed) =>
    Int32Array.from({ length: 128 }, (_, i) => 40 * seed + ((i * i * seed * 7919) % 311)),
  );
  const shapes = waves.map((samples) => {
    const shape = new Shape();
    shape.take(samples, 5, 127);
    return shape;
  });

  test('differ and correlate as the plain formulas say', () => {
    const out = newComparison();
    const unit = 5000;
    shapes[0].compare(shapes[1], unit, out);
    const mean = (x: number[]): number => x.reduce((a, b) => a + b, 0) / x.length;
    const check = (part: number, from: number, to: number): void => {
      const [a, b] = shapes.map(({ wave }) => {
        const x = [...wave.slice(from, to)];
        return x.map((value) => value - mean(x));
      });
      const rms = Math.sqrt(mean(a.map((value, i) => (value - b[i]) ** 2)));
      expect(out.distances[part]).toBe(Math.floor((UNIT * rms) / unit));
      if (part === WHOLE) return;
      const norm = Math.sqrt(mean(a.map((x) => x * x)) * mean(b.map((x) => x * x)));
      const correlation = mean(a.map((value, i) => value * b[i])) / norm;
      expect(out.correlations[part]).toBe(Math.floor(128 + 127 * correlation));
    };
    check(QRS, BEFORE - 8, BEFORE + 12);
    check(WHOLE, 0, BEFORE + AFTER);
  });

  test('tell the width of a spike and the deviation of its slopes in time', () => {
    const samples = new Int32Array(128);
    samples[BEFORE] = 100;
    const shape = new Shape();
    shape.take(samples, 0, 127);
    // Two slopes, a sample before the peak and one after it; 64 parts of a sample.
    expect([shape.measures[WIDTH], shape.measures[SPREAD]]).toEqual([2 * 64, 64]);
    expect([shape.measures[HIGH], shape.measures[LOW]]).toEqual([1600, 0]);
  });

  test('are measured the same wherever they lie, in proportion to their height', () => {
    const measured = (factor: number, offset: number): number[] => {
      const shape = new Shape();
      shape.take(
        waves[0].map((x) => factor * x + offset),
        5,
        127,
      );
      return [...shape.measures];
    };
    const [low, high, wave, steep, area, width, spread, rough] = measured(1, 0);
    expect(measured(1, -3000)).toEqual([low, high, wave, steep, area, width, spread, rough]);
    const doubled = measured(2, 0);
    expect(doubled.slice(0, 4)).toEqual([2 * low, 2 * high, 2 * wave, 2 * steep]);
    // Times do not depend on the height; means are rounded down.
    expect(doubled.slice(5, 7)).toEqual([width, spread]);
    expect(Math.abs(doubled[4] - 2 * area)).toBeLessThan(2);
    expect(Math.abs(doubled[7] - 2 * rough)).toBeLessThan(2);
  });
});

describe('integer helpers', () => {
  test('bytes, relations and logarithms', () => {
    expect([-3, 0, 1.9, 255, 999].map(toByte)).toEqual([0, 0, 1, 255, 255]);
    expect([relation(3, 2, 100), relation(1, 2, 100), relation(5, 0, 100)]).toEqual([178, 78, 255]);
    expect([1, 2, 3, 1024, 3 << 20].map(log2)).toEqual([0, 32, 48, 320, 688]);
  });

  test('the running order equals sorting', () => {
    const order = new RunningOrder(5);
    const all: number[] = [];
    for (let i = 0; i < 40; i++) {
      const value = (i * 7919) % 13;
      order.add(value);
      all.push(value);
      const sorted = all.slice(-5).sort((a, b) => a - b);
      expect(order.eighth(0)).toBe(sorted[0]);
      expect(order.eighth(8)).toBe(sorted[sorted.length - 1]);
      expect(order.eighth(4)).toBe(sorted[(sorted.length - 1) >> 1]);
    }
  });
});
