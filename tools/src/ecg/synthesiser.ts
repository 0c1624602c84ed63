/**
 * Synthetic ECG after McSharry, Clifford, Tarassenko & Smith, "A dynamical model for generating
 * synthetic electrocardiogram signals", IEEE TBME 50(3), 2003: a point runs round the unit circle,
 * once per beat, and is pushed up and down as it passes the events P, Q, R, S and T. Premature
 * ventricular and supraventricular beats are added to it.
 */
import { personMorphology, type BeatKind, type Morphology } from './morphology.ts';
import { seededRandom, type Random } from './random.ts';
import type { AnnotatedRecord, Annotation } from './record.ts';
import { codeOf } from './symbols.ts';
import { SPECTRUM, tachogram } from './tachogram.ts';

export interface SynthesiserOptions {
  /** All randomness follows from it; 0 to 2^32 - 1. */
  seed: number;
  /** Number of annotated beats. */
  beats: number;
  /** Samples per second; that of the MIT-BIH database by default. */
  rateHz?: number;
  /** Mean of the undisturbed rhythm, beats per minute. */
  heartRate?: number;
  /** Standard deviation of the undisturbed rhythm, beats per minute. */
  heartRateDeviation?: number;
  /** Part of the beats that are premature ventricular. */
  ventricular?: number;
  /** Part of the beats that are premature supraventricular; with the former at most 0.4. */
  supraventricular?: number;
  /** Standard deviation of the measurement noise, millivolts. */
  noise?: number;
}

const DEFAULTS = {
  rateHz: 360,
  heartRate: 70,
  heartRateDeviation: 2,
  ventricular: 0.08,
  supraventricular: 0.06,
  noise: 0.015,
} as const;

const LIMITS = {
  beats: 200_000,
  rateHz: { min: 100, max: 2000 },
  /** At the most, a premature beat still comes after the board detector's refractory 250 ms. */
  heartRate: { min: 30, max: 120 },
  /** Two premature beats never follow each other, so they are fewer than half. */
  premature: 0.4,
} as const;

/** ADC of the MIT-BIH database: 11 bits, 200 units per millivolt, zero in the middle. */
const ADC = { gain: 200, baseline: 1024, max: 2047 } as const;
/** Amplitude of the respiratory baseline, millivolts (McSharry et al. 2003, eq. 2). */
const BASELINE_MILLIVOLTS = 0.15;
/** Beyond this many standard deviations an event no longer moves the trajectory. */
const EVENT_REACH = 6;
/** Signal after the last annotated beat, so that its window is complete, seconds. */
const TAIL_SECONDS = 2;
const ANNOTATION: Record<BeatKind, string> = { N: 'N', V: 'V', S: 'A' };

interface Beat {
  kind: BeatKind;
  /** Sample of its R peak. */
  peak: number;
}

/** An event as the equations take it: angle, strength and angular width. */
interface AngularEvent {
  theta: number;
  a: number;
  b: number;
}

function checked(options: SynthesiserOptions): Required<SynthesiserOptions> {
  const o = { ...DEFAULTS, ...options };
  const within = (value: number, min: number, max: number, what: string): void => {
    if (!(value >= min && value <= max)) throw new RangeError(`${what} is from ${min} to ${max}`);
  };
  within(o.beats, 1, LIMITS.beats, 'the number of beats');
  within(o.rateHz, LIMITS.rateHz.min, LIMITS.rateHz.max, 'the sampling rate');
  within(o.heartRate, LIMITS.heartRate.min, LIMITS.heartRate.max, 'the heart rate');
  within(o.heartRateDeviation, 0, o.heartRate / 6, 'the deviation of the heart rate');
  within(o.ventricular, 0, LIMITS.premature, 'the part of ventricular beats');
  within(o.supraventricular, 0, LIMITS.premature, 'the part of supraventricular beats');
  within(o.ventricular + o.supraventricular, 0, LIMITS.premature, 'the part of premature beats');
  within(o.noise, 0, 1, 'the noise');
  if (!Number.isInteger(o.beats) || !Number.isInteger(o.rateHz)) {
    throw new RangeError('the number of beats and the sampling rate are integers');
  }
  return o;
}

/**
 * Places the R peaks, on whole samples so that each interval has one angular velocity: one at sample
 * 0 to start from, the annotated ones, and those of the tail.
 * A ventricular beat comes early and is followed by the pause that makes its two intervals as long
 * as two normal ones; a supraventricular beat resets the rhythm, so that its pause is shorter.
 */
function schedule(random: Random, o: Required<SynthesiserOptions>): Beat[] {
  const mean = 60 / o.heartRate;
  const interval = tachogram(random, mean, (mean * o.heartRateDeviation) / o.heartRate);
  // A premature beat is only drawn after a normal one: the chance there makes up for the others.
  const drawn = 1 - o.ventricular - o.supraventricular;
  const beats: Beat[] = [{ kind: 'N', peak: 0 }];
  let seconds = 0;
  let pause: number | undefined;
  const place = (kind: BeatKind, after: number): void => {
    seconds += after;
    beats.push({ kind, peak: Math.round(seconds * o.rateHz) });
  };
  const complete = (): boolean =>
    beats.length > o.beats &&
    beats[beats.length - 1].peak >= recordLength(beats[o.beats], o.rateHz);
  while (!complete()) {
    const rr = interval(seconds);
    const draw = random.uniform() * drawn;
    if (pause !== undefined) {
      place('N', pause);
      pause = undefined;
    } else if (draw < o.ventricular) {
      const coupling = rr * random.between(0.55, 0.72);
      pause = 2 * rr - coupling;
      place('V', coupling);
    } else if (draw < o.ventricular + o.supraventricular) {
      pause = rr * random.between(1.08, 1.18);
      place('S', rr * random.between(0.6, 0.75));
    } else {
      place('N', rr);
    }
  }
  return beats;
}

const recordLength = (last: Beat, rateHz: number): number => last.peak + TAIL_SECONDS * rateHz;

// Looked up once, not in every step: the test runner's contexts make that dear.
const { atan2, exp, PI, round, sin, sqrt } = Math;

/** Events within reach of the interval that begins at `beats[i]`, as angles at its velocity. */
function eventsFor(beats: Beat[], i: number, omega: number, rate: number, shapes: Morphology) {
  const events: AngularEvent[] = [];
  for (let j = Math.max(0, i - 1); j <= Math.min(beats.length - 1, i + 2); j++) {
    const offset = (beats[j].peak - beats[i].peak) / rate;
    for (const { at, height, width } of shapes[beats[j].kind]) {
      const b = omega * width;
      // The integral of a Δθ exp(-Δθ²/2b²) over time has the height a b²/ω.
      events.push({ theta: omega * (offset + at), a: (height * omega) / b ** 2, b });
    }
  }
  return events.filter(
    ({ theta, b }) => theta + EVENT_REACH * b > 0 && theta - EVENT_REACH * b < 2 * PI,
  );
}

/** A point of the trajectory, or its rate of change: x, y, z. */
type State = Float64Array;

/** Eq. 1 within one interval, writing the rate of change at a point and time to `out`. */
function derivative(events: AngularEvent[], omega: number) {
  const respiration = 2 * PI * SPECTRUM.respirationHz;
  return (seconds: number, middle: number, at: State, out: State): void => {
    const x = at[0];
    const y = at[1];
    const alpha = 1 - sqrt(x * x + y * y);
    // The angle on the circle, unwrapped around where this step has to be.
    const turned = atan2(y, x) - middle;
    const angle = middle + turned - 2 * PI * round(turned / (2 * PI));
    let rise = BASELINE_MILLIVOLTS * sin(respiration * seconds) - at[2];
    for (const { theta, a, b } of events) {
      const d = angle - theta;
      const near = EVENT_REACH * b;
      if (d < near && d > -near) rise -= a * d * exp((-d * d) / (2 * b * b));
    }
    out[0] = alpha * x - omega * y;
    out[1] = alpha * y + omega * x;
    out[2] = rise;
  };
}

/** Integrates eq. 1 by the classical Runge-Kutta method, one step per sample. @returns z */
function integrate(beats: Beat[], rate: number, shapes: Morphology, length: number): Float64Array {
  const result = new Float64Array(length);
  const h = 1 / rate;
  // Begins on the limit cycle, at the top of an R wave.
  const state = Float64Array.of(1, 0, Math.max(...shapes.N.map(({ height }) => height)));
  const [k1, k2, k3, k4, point] = Array.from({ length: 5 }, () => new Float64Array(3));
  const along = (k: State, by: number): State => {
    for (let n = 0; n < 3; n++) point[n] = state[n] + by * k[n];
    return point;
  };
  for (let i = 0; i < beats.length - 1; i++) {
    const { peak } = beats[i];
    const steps = beats[i + 1].peak - peak;
    const omega = (2 * PI * rate) / steps;
    const slope = derivative(eventsFor(beats, i, omega, rate, shapes), omega);
    for (let step = 0; step < steps && peak + step < length; step++) {
      result[peak + step] = state[2];
      const t = (peak + step) * h;
      const middle = omega * (step + 0.5) * h;
      slope(t, middle, state, k1);
      slope(t + h / 2, middle, along(k1, h / 2), k2);
      slope(t + h / 2, middle, along(k2, h / 2), k3);
      slope(t + h, middle, along(k3, h), k4);
      for (let n = 0; n < 3; n++) state[n] += (h / 6) * (k1[n] + 2 * k2[n] + 2 * k3[n] + k4[n]);
    }
  }
  return result;
}

/**
 * Synthesises one lead with its annotations: N, V and A (supraventricular) at the R peaks.
 * The same options always give the same record.
 * @throws RangeError for options outside their range
 */
export function synthesise(options: SynthesiserOptions): AnnotatedRecord {
  const o = checked(options);
  const random = seededRandom(o.seed);
  const shapes = personMorphology(random, 60 / o.heartRate);
  const beats = schedule(random, o);
  const annotated = beats.slice(1, o.beats + 1);
  const length = recordLength(beats[o.beats], o.rateHz);
  const signal = integrate(beats, o.rateHz, shapes, length);
  const samples = Int16Array.from(signal, (millivolts) => {
    const value = ADC.baseline + ADC.gain * (millivolts + o.noise * random.normal());
    return Math.min(ADC.max, Math.max(0, Math.round(value)));
  });
  const annotations = annotated.map(({ kind, peak }): Annotation => {
    const symbol = ANNOTATION[kind];
    return { sample: peak, code: codeOf(symbol), symbol };
  });
  const { gain, baseline } = ADC;
  const lead = { description: 'synthetic', samples, gain, baseline, units: 'mV' };
  return {
    record: { name: `synthetic-${o.seed}`, rateHz: o.rateHz, leads: [lead], comments: [] },
    annotations,
  };
}
