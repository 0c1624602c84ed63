/**
 * The shape of a heartbeat, by itself and beside another one. Boards interpret this code, so that each
 * pass over the samples gathers all that it can.
 *
 * Sums are of doubles, always in the same order, and nothing but square roots is taken of them: every
 * engine computes the same bytes.
 */
import { toByte } from './running.ts';

/** Samples of a beat before its R peak, and from it on. */
export const BEFORE = 30;
export const AFTER = 45;
export const SPAN = BEFORE + AFTER;
/** Samples of a shape carry this many fractional bits. */
export const SAMPLE_BITS = 4;
/** Differences are told in this part of a height. */
export const UNIT = 4096;

/** Detectors miss a peak by a little; within so many samples a beat goes where it fits best. */
export const SEARCH = 3;
const FIT_FROM = BEFORE - 7;
const FIT_TO = BEFORE + 9;

/** Parts of a beat that are compared, by index; each ends where the next begins. */
export const P_WAVE = 0;
export const QRS = 1;
export const T_WAVE = 2;
export const WHOLE = 3;
const ENDS = [BEFORE - 8, BEFORE + 12, SPAN];

/** Where the P wave ends, and where slopes are those of the QRS complex, however wide it is. */
const P_TO = BEFORE - 9;
const SLOPES_FROM = BEFORE - 14;
const SLOPES_TO = BEFORE + 18;
/** How many bends are measured outside of them. */
const BENDS = 10 + 13;

/** What is measured of a shape, by index: its lowest and highest value, the P wave's height ... */
export const LOW = 0;
export const HIGH = 1;
export const WAVE = 2;
/** ... the steepest slope of the QRS complex and its mean distance from the level before it ... */
export const STEEP = 3;
export const AREA = 4;
/** ... in 1/64 samples its width, all slopes by the steepest, and their deviation in time ... */
export const WIDTH = 5;
export const SPREAD = 6;
/** ... and the mean bend of all the rest. */
export const ROUGH = 7;
const MEASURES = 8;
const WIDTH_UNIT = 64;

/** How two shapes differ, by part of the beat. */
export interface Comparison {
  /** Root mean square of the difference, on one level, {@link UNIT} parts of a height. */
  distances: Int32Array;
  /** Correlation of each part but the whole: 1 to 255 for -1 to 1. */
  correlations: Uint8Array;
  /** Mean of the one, and how far it lies above the other. */
  level: number;
  above: number;
}

export function newComparison(): Comparison {
  return {
    distances: new Int32Array(WHOLE + 1),
    correlations: new Uint8Array(WHOLE),
    level: 0,
    above: 0,
  };
}

/** Moves each value a part of the way, downwards where there is none between. */
function move(from: Int32Array, to: Int32Array, weight: number): void {
  for (let i = 0; i < from.length; i++) {
    from[i] += ((to[i] - from[i]) * weight) >> 6;
  }
}

/** One beat, or the running mean of some. Only differences within it matter, not where it lies. */
export class Shape {
  readonly wave = new Int32Array(SPAN);
  readonly measures = new Int32Array(MEASURES);
  /** How usual a running shape is. */
  count = 0;

  /** Takes a beat out of the samples, `from` on, and measures it. */
  take(samples: ArrayLike<number>, from: number, mask: number): void {
    const x = this.wave;
    const level = samples[from & mask];
    for (let i = 0; i < SPAN; i++) {
      x[i] = (samples[(from + i) & mask] - level) << SAMPLE_BITS;
    }
    this.measure();
  }

  /** Becomes the same as another. */
  copy(other: Shape): void {
    this.wave.set(other.wave);
    this.measures.set(other.measures);
  }

  /** Moves `weight` of 64 parts of the way to another, measures as well. */
  draw(to: Shape, weight: number): void {
    move(this.wave, to.wave, weight);
    move(this.measures, to.measures, weight);
  }

  /** By how much a beat that is thought to begin at `from` has to begin later to fit this one best. */
  fit(samples: ArrayLike<number>, from: number, mask: number): number {
    let best = 0;
    let least = this.misfit(samples, from, mask);
    for (let step = 1; step >= -1 && best === 0; step -= 2) {
      for (let shift = step; shift >= -SEARCH && shift <= SEARCH; shift += step) {
        const misfit = this.misfit(samples, from + shift, mask);
        if (misfit >= least) {
          break;
        }
        least = misfit;
        best = shift;
      }
    }
    return best;
  }

  /** How far the QRS complexes are from each other on one level, in all. */
  private misfit(samples: ArrayLike<number>, from: number, mask: number): number {
    const x = this.wave;
    let above = 0;
    for (let i = FIT_FROM; i < FIT_TO; i++) {
      above += (samples[(from + i) & mask] << SAMPLE_BITS) - x[i];
    }
    above = Math.floor(above / (FIT_TO - FIT_FROM));
    let sum = 0;
    for (let i = FIT_FROM; i < FIT_TO; i++) {
      sum += Math.abs((samples[(from + i) & mask] << SAMPLE_BITS) - x[i] - above);
    }
    return sum;
  }

  /** Compares with another, in parts of the height `unit`. */
  compare(other: Shape, unit: number, out: Comparison): void {
    const x = this.wave;
    const y = other.wave;
    let level = 0;
    let above = 0;
    let squares = 0;
    let i = 0;
    for (let part = 0; part < WHOLE; part++) {
      const from = i;
      const to = ENDS[part];
      let sumX = 0;
      let sumY = 0;
      let sumXX = 0;
      let sumYY = 0;
      let sumXY = 0;
      for (; i < to; i++) {
        const a = x[i];
        const b = y[i];
        sumX += a;
        sumY += b;
        sumXX += a * a;
        sumYY += b * b;
        sumXY += a * b;
      }
      const n = to - from;
      const xx = n * sumXX - sumX * sumX;
      const yy = n * sumYY - sumY * sumY;
      const xy = n * sumXY - sumX * sumY;
      out.distances[part] = (UNIT * Math.sqrt(Math.max(0, xx + yy - 2 * xy))) / (n * unit);
      out.correlations[part] =
        xx > 0 && yy > 0 ? toByte(128 + (127 * xy) / (Math.sqrt(xx) * Math.sqrt(yy))) : 128;
      squares += sumXX + sumYY - 2 * sumXY;
      level += sumX;
      above += sumX - sumY;
    }
    squares = Math.max(0, SPAN * squares - above * above);
    out.distances[WHOLE] = (UNIT * Math.sqrt(squares)) / (SPAN * unit);
    out.level = level / SPAN;
    out.above = above / SPAN;
  }

  private measure(): void {
    const x = this.wave;
    const out = this.measures;
    out[LOW] = x[0];
    out[HIGH] = x[0];
    const bends = this.bends(2, P_TO);
    out[WAVE] = out[HIGH] - out[LOW];
    out[ROUGH] = (bends + this.bends(SLOPES_TO, SPAN - 2)) / (2 * BENDS);
    const level = x[P_TO];
    let low = out[LOW];
    let high = out[HIGH];
    let steepest = 1;
    let area = 0;
    let slopes = 0;
    let squares = 0;
    let first = 0;
    let second = 0;
    for (let i = SLOPES_FROM; i < SLOPES_TO; i++) {
      const value = x[i];
      low = value < low ? value : low;
      high = value > high ? value : high;
      area += Math.abs(value - level);
      const slope = Math.abs(x[i + 1] - x[i - 1]);
      steepest = slope > steepest ? slope : steepest;
      slopes += slope;
      const square = slope * slope;
      squares += square;
      first += square * i;
      second += square * i * i;
    }
    const middle = squares > 0 ? first / squares : 0;
    const variance = squares > 0 ? second / squares - middle * middle : 0;
    out[LOW] = low;
    out[HIGH] = high;
    out[STEEP] = steepest;
    out[AREA] = area / (SLOPES_TO - SLOPES_FROM);
    out[WIDTH] = (WIDTH_UNIT * slopes) / steepest;
    out[SPREAD] = WIDTH_UNIT * Math.sqrt(Math.max(0, variance));
  }

  /** Sum of bends of every second sample, which is enough for slow waves; takes lowest and highest. */
  private bends(from: number, to: number): number {
    const x = this.wave;
    const out = this.measures;
    let sum = 0;
    for (let i = from; i < to; i += 2) {
      const value = x[i];
      if (value < out[LOW]) {
        out[LOW] = value;
      } else if (value > out[HIGH]) {
        out[HIGH] = value;
      }
      sum += Math.abs(2 * value - x[i - 2] - x[i + 2]);
    }
    return sum;
  }
}
