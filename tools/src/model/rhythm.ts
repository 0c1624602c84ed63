/**
 * Rhythms that few recordings hold, made of the beats that they do hold. A record of one person gives
 * P waves and QRS complexes with T waves; they are laid out anew, with the early beats, runs and
 * pauses of supraventricular ectopy, or with the irregular intervals and without the P waves of atrial
 * fibrillation. So a model sees these rhythms in the shapes of everyone's heart, and not only of the
 * few who had them.
 */
import { BEAT_RATE_HZ } from '@mozaik/protocol';
import { classOf, type AamiClass } from '../ecg/aami.ts';
import { windowsAt, type Beat } from '../ecg/beats.ts';
import type { Random } from '../ecg/random.ts';
import type { AnnotatedRecord } from '../ecg/record.ts';
import { resample } from '../ecg/resample.ts';

export type Rhythm = 'ectopy' | 'fibrillation';

/** Samples about the R peak: QRS complex with T wave, ventricular complex, P wave. */
const QRS_FROM = -9;
const VENTRICULAR_FROM = -16;
const T_TO = { least: 20, most: 55, beforeNext: 22 };
const P_FROM = -30;
const P_TO = -10;
/** Beats so near to the next or to an end are not taken apart. */
const ROOM = { before: 50, after: 60, end: 70 };
/** Fewest normal beats of a record that make a person. */
const LEAST_NORMAL = 50;
const LEAST_VENTRICULAR = 6;
/** Shortest interval, samples: the board's detector is deaf for 32 after a peak. */
const SHORTEST = 33;
const LEAD_IN = 100;
const TAIL = 300;

interface Planned {
  label: AamiClass;
  /** Interval before it, samples. */
  rr: number;
  /** Height of the P wave, of the usual one. */
  p: number;
}

interface Material {
  samples: Int16Array;
  peaks: number[];
  normal: number[];
  ventricular: number[];
  interval: number;
}

/** What a lead of a record can be taken apart into; undefined when it has too few normal beats. */
function materialOf({ record, annotations }: AnnotatedRecord, lead: number): Material | undefined {
  const samples = resample(record.leads[lead].samples, record.rateHz, BEAT_RATE_HZ);
  const beats = annotations.flatMap(({ sample, symbol }) => {
    const label = classOf(symbol);
    return label ? [{ label, peak: Math.round((sample * BEAT_RATE_HZ) / record.rateHz) }] : [];
  });
  const normal: number[] = [];
  const ventricular: number[] = [];
  for (let i = 2; i < beats.length - 2; i++) {
    const [before, { label, peak }, after] = [beats[i - 1], beats[i], beats[i + 1]];
    if (peak - before.peak <= ROOM.before || after.peak - peak <= ROOM.after) continue;
    if (peak < ROOM.end || peak + ROOM.end > samples.length) continue;
    if (label === 'V') ventricular.push(i);
    if (label === 'N' && before.label === 'N' && after.label === 'N') normal.push(i);
  }
  if (normal.length < LEAST_NORMAL) return undefined;
  const peaks = beats.map(({ peak }) => peak);
  const intervals = peaks.slice(1).map((peak, i) => peak - peaks[i]);
  intervals.sort((a, b) => a - b);
  return { samples, peaks, normal, ventricular, interval: intervals[intervals.length >> 1] };
}

/** Sinus rhythm with single early beats, couplets and runs, and ventricular and fused beats if there are any. */
function planEctopy(random: Random, { interval, ventricular }: Material, beats: number): Planned[] {
  const base = Math.min(130, Math.max(70, interval * random.between(0.85, 1.2)));
  const early = random.between(0.02, 0.15);
  const wide = ventricular.length >= LEAST_VENTRICULAR ? random.between(0, 0.08) : 0;
  const runInterval = base * random.between(0.5, 0.75);
  const fused = wide > 0 ? random.between(0, 0.06) : 0;
  const usualP = random.between(-1, 0.8);
  const plan: Planned[] = [];
  let drift = 1;
  while (plan.length < beats) {
    drift = Math.min(1.2, Math.max(0.8, drift + 0.01 * random.normal()));
    const rr = base * drift;
    const draw = random.uniform();
    if (draw < early) {
      const kind = random.uniform();
      const p = random.uniform() < 0.5 ? usualP : random.between(-1, 1);
      plan.push({ label: 'S', rr: rr * random.between(0.55, 0.88), p });
      const run = kind < 0.75 ? 0 : kind < 0.9 ? 1 + random.below(3) : 5 + random.below(40);
      for (let k = 0; k < run; k++) {
        plan.push({ label: 'S', rr: runInterval * (1 + 0.03 * random.normal()), p: usualP });
      }
      plan.push({ label: 'N', rr: rr * random.between(0.98, 1.25), p: 1 });
    } else if (draw < early + wide) {
      plan.push({ label: 'V', rr: rr * random.between(0.5, 0.85), p: 0 });
      plan.push({ label: 'N', rr: rr * random.between(1.1, 1.5), p: 1 });
    } else if (draw < early + wide + fused) {
      // The ventricle has fired as well, just before the P wave's beat reached it.
      plan.push({ label: 'F', rr: rr * random.between(0.85, 1.02), p: 1 });
    } else {
      plan.push({ label: 'N', rr: rr * (1 + 0.03 * random.normal()), p: 1 });
    }
  }
  return plan;
}

/** Intervals without memory and no P waves: no beat is early, for none is expected. */
function planFibrillation(random: Random, { ventricular }: Material, beats: number): Planned[] {
  const base = random.between(65, 110);
  const variation = random.between(0.14, 0.28);
  const wide = ventricular.length >= LEAST_VENTRICULAR ? random.between(0, 0.08) : 0;
  return Array.from({ length: beats }, () => {
    const isWide = random.uniform() < wide;
    const rr = Math.max(38, base * Math.exp(variation * random.normal()));
    return { label: isWide ? 'V' : 'N', rr: isWide ? 0.75 * rr : rr, p: 0 };
  });
}

/** The signal of a plan: waves added where they belong, with noise, wander and fibrillatory waves. */
function render(
  random: Random,
  material: Material,
  plan: Planned[],
  at: number[],
  rhythm: Rhythm,
): Int16Array {
  const { samples, peaks, normal, ventricular } = material;
  const signal = new Float64Array(at[at.length - 1] + TAIL);
  // A wave begins and ends on the line between its ends, so that nothing steps where it is added.
  const add = (to: number, beat: number, from: number, until: number, scale: number): void => {
    const peak = peaks[beat];
    const first = samples[peak + from];
    const slope = (samples[peak + until] - first) / (until - from);
    for (let i = from; i <= until; i++) {
      signal[to + i] += scale * (samples[peak + i] - first - slope * (i - from));
    }
  };
  const addBeat = (to: number, beat: number, from: number, scale: number): void => {
    const until = Math.min(T_TO.most, peaks[beat + 1] - peaks[beat] - T_TO.beforeNext);
    add(to, beat, from, Math.max(T_TO.least, until), scale);
  };
  const start = random.below(normal.length);
  let wide = 0;
  plan.forEach(({ label, p }, k) => {
    // How much of the beat came the usual way: a fused one in part.
    const conducted = label === 'V' ? 0 : label === 'F' ? random.between(0.25, 0.75) : 1;
    const scale = label === 'N' ? 1 : random.between(0.9, 1.1);
    const usual = normal[(start + k) % normal.length];
    if (conducted > 0) addBeat(at[k], usual, QRS_FROM, scale * conducted);
    if (conducted < 1) {
      const beat = ventricular[wide++ % ventricular.length];
      const late = label === 'F' ? Math.round(random.between(-2, 2)) : 0;
      addBeat(at[k] + late, beat, VENTRICULAR_FROM, scale * (1 - conducted));
    }
    const moved = label === 'S' ? Math.round(random.between(-3, 3)) : 0;
    if (p !== 0) add(at[k] + moved, usual, P_FROM, P_TO, p);
  });
  const qrs = samples.subarray(peaks[normal[start]] - 10, peaks[normal[start]] + 12);
  const height = Math.max(...qrs) - Math.min(...qrs);
  const noise = height * random.between(0.003, 0.03);
  const waves = rhythm === 'fibrillation' ? height * random.between(0.01, 0.08) : 0;
  const waveHz = random.between(4.5, 8);
  let phase = 0;
  let wander = 0;
  return Int16Array.from(signal, (value) => {
    phase += (2 * Math.PI * (waveHz + 0.8 * random.normal())) / BEAT_RATE_HZ;
    wander += 0.02 * height * random.normal() - 0.01 * wander;
    const fibrillation = waves * (Math.sin(phase) + 0.4 * Math.sin(2 * phase));
    return Math.round(value + noise * random.normal() + fibrillation + 0.3 * wander);
  });
}

/**
 * Beats of a new rhythm in the shapes of one lead of a record.
 * @returns none when the record has too few normal beats to take apart
 */
export function replan(
  source: AnnotatedRecord,
  lead: number,
  rhythm: Rhythm,
  beats: number,
  random: Random,
): Beat[] {
  const material = materialOf(source, lead);
  if (material === undefined) return [];
  const plan =
    rhythm === 'ectopy'
      ? planEctopy(random, material, beats)
      : planFibrillation(random, material, beats);
  let now = LEAD_IN;
  const at = plan.map(({ rr }) => (now += Math.max(SHORTEST, Math.round(rr))));
  const windows = windowsAt(render(random, material, plan, at, rhythm), at);
  return plan.map(({ label }, k) => ({
    window: windows[k],
    timeMs: Math.round((at[k] * 1000) / BEAT_RATE_HZ),
    label,
  }));
}
