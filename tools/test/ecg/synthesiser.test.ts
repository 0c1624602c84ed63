import { describe, expect, test } from '@jest/globals';
import { synthesise } from '../../src/ecg/synthesiser.ts';
import type { AnnotatedRecord } from '../../src/ecg/record.ts';

const samplesOf = ({ record }: AnnotatedRecord): Int16Array => record.leads[0].samples;

/** Sample of the maximum within `reach` samples. */
function peakNear(samples: Int16Array, centre: number, reach: number): number {
  let best = centre;
  for (let i = centre - reach; i <= centre + reach; i++) if (samples[i] > samples[best]) best = i;
  return best;
}

/** Samples around the peak that are above half of its height over the surrounding median. */
function widthAtHalf(samples: Int16Array, peak: number): number {
  const base = samples.slice(peak - 360, peak + 360).sort()[360];
  const half = (samples[peak] + base) / 2;
  let [from, to] = [peak, peak];
  while (samples[from - 1] > half) from--;
  while (samples[to + 1] > half) to++;
  return to - from + 1;
}

const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe('synthesiser', () => {
  const source = synthesise({ seed: 7, beats: 300, heartRate: 75, noise: 0 });
  const samples = samplesOf(source);
  const { annotations } = source;
  const ofKind = (symbol: string): number[] =>
    annotations.flatMap((annotation, i) => (annotation.symbol === symbol && i > 0 ? [i] : []));
  const before = (i: number): number => annotations[i].sample - annotations[i - 1].sample;
  const after = (i: number): number => annotations[i + 1].sample - annotations[i].sample;
  const inner = (i: number): boolean => i < annotations.length - 1;

  test('gives the same record for the same seed and another for another', () => {
    const options = { seed: 3, beats: 20 };
    expect(synthesise(options)).toEqual(synthesise(options));
    expect(samplesOf(synthesise(options))).not.toEqual(
      samplesOf(synthesise({ ...options, seed: 4 })),
    );
  });

  test('gives as many beats as asked, of all three kinds, in parts as asked', () => {
    expect(annotations).toHaveLength(300);
    const many = synthesise({ seed: 1, beats: 3000, rateHz: 100 }).annotations;
    const part = (symbol: string): number => many.filter((a) => a.symbol === symbol).length / 3000;
    expect(part('V')).toBeCloseTo(0.08, 1.5);
    expect(part('A')).toBeCloseTo(0.06, 1.5);
    expect(part('N') + part('V') + part('A')).toBe(1);
  });

  test('has an R peak at every annotation', () => {
    for (const { sample } of annotations) {
      const peak = peakNear(samples, sample, 36);
      expect(Math.abs(peak - sample)).toBeLessThanOrEqual(3);
      expect(samples[peak]).toBeGreaterThan(1024 + 100);
    }
  });

  test.each([45, 75, 120])('beats at the mean rate of %d per minute', (heartRate) => {
    const rhythm = synthesise({
      ...{ seed: 2, beats: 400, rateHz: 100, heartRate },
      ...{ ventricular: 0, supraventricular: 0 },
    }).annotations;
    const minutes = (rhythm[399].sample - rhythm[0].sample) / 100 / 60;
    expect(399 / minutes).toBeGreaterThan(heartRate * 0.98);
    expect(399 / minutes).toBeLessThan(heartRate * 1.02);
  });

  test('varies the rate as much as asked, with the power near 0.1 and 0.25 Hz', () => {
    const { annotations: rhythm } = synthesise({
      ...{ seed: 5, beats: 1200, rateHz: 200, heartRate: 60, heartRateDeviation: 3 },
      ...{ ventricular: 0, supraventricular: 0 },
    });
    const times = rhythm.slice(1).map(({ sample }) => sample / 200);
    const rr = rhythm.slice(1).map(({ sample }, i) => (sample - rhythm[i].sample) / 200);
    const centre = mean(rr);
    const variance = mean(rr.map((x) => (x - centre) ** 2));
    expect(Math.sqrt(variance)).toBeGreaterThan(0.04);
    expect(Math.sqrt(variance)).toBeLessThan(0.06);
    const power = (low: number, high: number): number => {
      let total = 0;
      for (let f = low; f < high; f += 1 / 1200) {
        const re = mean(rr.map((x, i) => (x - centre) * Math.cos(2 * Math.PI * f * times[i])));
        const im = mean(rr.map((x, i) => (x - centre) * Math.sin(2 * Math.PI * f * times[i])));
        total += 2 * (re * re + im * im);
      }
      return total / variance;
    };
    const [mayer, respiration] = [power(0.06, 0.14), power(0.21, 0.29)];
    expect(mayer + respiration).toBeGreaterThan(0.75);
    expect(mayer).toBeLessThan(respiration);
  });

  test('makes ventricular beats early and wide, with a full compensatory pause', () => {
    const normal = mean(ofKind('N').map((i) => widthAtHalf(samples, annotations[i].sample)));
    const ventricular = ofKind('V').filter(inner);
    expect(ventricular.length).toBeGreaterThan(10);
    for (const i of ventricular) {
      const peak = peakNear(samples, annotations[i].sample, 5);
      expect(widthAtHalf(samples, peak)).toBeGreaterThan(1.7 * normal);
      // 75 beats per minute at 360 Hz are 288 samples.
      expect(before(i)).toBeLessThan(0.8 * 288);
      expect((before(i) + after(i)) / (2 * 288)).toBeCloseTo(1, 0.9);
    }
  });

  test('makes supraventricular beats early and narrow, without a full pause', () => {
    const normal = mean(ofKind('N').map((i) => widthAtHalf(samples, annotations[i].sample)));
    const supraventricular = ofKind('A').filter(inner);
    expect(supraventricular.length).toBeGreaterThan(5);
    for (const i of supraventricular) {
      expect(widthAtHalf(samples, annotations[i].sample)).toBeLessThan(1.4 * normal);
      expect(before(i)).toBeLessThan(0.85 * 288);
      expect(before(i) + after(i)).toBeLessThan(1.97 * 288);
    }
  });

  test('adds noise of the deviation asked', () => {
    const quiet = samplesOf(synthesise({ seed: 9, beats: 30, noise: 0 }));
    const noisy = samplesOf(synthesise({ seed: 9, beats: 30, noise: 0.05 }));
    const deviation = Math.sqrt(mean([...noisy].map((x, i) => (x - quiet[i]) ** 2)));
    expect(deviation).toBeGreaterThan(9);
    expect(deviation).toBeLessThan(11);
  });

  test.each([
    [{ beats: 0 }],
    [{ beats: 1.5 }],
    [{ heartRate: 10 }],
    [{ rateHz: 50 }],
    [{ ventricular: 0.3, supraventricular: 0.2 }],
    [{ noise: NaN }],
    [{ seed: -1 }],
  ])('refuses %j', (wrong) => {
    expect(() => synthesise({ seed: 1, beats: 10, ...wrong })).toThrow(RangeError);
  });
});
