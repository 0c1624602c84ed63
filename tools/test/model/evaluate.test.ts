import { describe, expect, test } from '@jest/globals';
import { synthesise } from '../../src/ecg/synthesiser.ts';
import { detectBeats } from '../../src/model/detect.ts';
import { listen } from '../../src/model/dataset.ts';
import { fixedVerdict, jointVerdict } from '../../src/model/evaluate.ts';
import { classifyJointly } from '../../src/model/joint.ts';
import { initialise } from '../../src/model/network.ts';
import { convert } from '../../src/model/quantise.ts';
import { seededRandom } from '../../src/ecg/random.ts';
import { cutBeats } from '../../src/ecg/beats.ts';

describe('the board detector in place of annotations', () => {
  test('finds synthetic beats and labels them by what it matches', () => {
    const source = synthesise({ seed: 4, beats: 150, ventricular: 0.15, supraventricular: 0.1 });
    const { beats, missed, extra } = detectBeats(source);
    const { beats: all } = listen(source);
    expect(beats.length + missed).toBe(all.length);
    // It learns its threshold for two seconds.
    expect(missed).toBeLessThan(6);
    expect(extra).toBeLessThan(3);
    const labels = new Map(all.map(({ timeMs, label }) => [timeMs, label]));
    for (const { timeMs, label } of beats) expect(labels.get(timeMs)).toBe(label);
  });

  test('matches within 150 ms and not beyond', () => {
    const late = (ms: number) => {
      const source = synthesise({ seed: 4, beats: 60 });
      const by = Math.round((ms * source.record.rateHz) / 1000);
      for (const annotation of source.annotations) annotation.sample += by;
      return detectBeats(source);
    };
    expect(late(130).missed).toBeLessThan(6);
    expect(late(180).beats).toEqual([]);
  });

  test('counts what is not annotated as extra', () => {
    const source = synthesise({ seed: 4, beats: 60 });
    const gap = source.annotations.splice(30, 10);
    const { extra } = detectBeats(source);
    expect(extra).toBeGreaterThanOrEqual(gap.length);
  });
});

test('the joint computation in this process gives class and margin of the integer twin', async () => {
  const windows = cutBeats(synthesise({ seed: 9, beats: 40, ventricular: 0.2 })).map(
    ({ window }) => window,
  );
  const { fixed } = convert(initialise([187, 6, 5], 'relu', seededRandom(2)), 'm', windows);
  const { classes, margins, rounds, bytesSent } = await classifyJointly(fixed, windows);
  windows.forEach((window, i) => {
    const twin = fixedVerdict(fixed, window);
    const joint = jointVerdict(fixed, classes[i], margins[i]);
    expect(joint.class).toBe(twin.class);
    if (joint.class === 0) expect(joint.score).toBeCloseTo(twin.score, 10);
  });
  expect(rounds).toBeGreaterThan(100);
  expect(bytesSent).toBeGreaterThan(1000);
}, 60_000);
