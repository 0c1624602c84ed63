/**
 * Heartbeat windows of layout 2: the beat as it looks beside this person's other beats.
 *
 * People's hearts differ more from each other than one person's sick beats from the healthy ones, so
 * a classifier for people it has never seen has to be told what is usual for this person. The board
 * is the only place that sees all of the beats in the clear, so it compares there, with integers: the
 * beat with a running template of the usual beat, and its intervals with the running intervals. The
 * window has 187 bytes, as in the usual heartbeat format of the MIT-BIH derived data sets:
 *
 * | bytes      | what                                                                              |
 * | ---------- | --------------------------------------------------------------------------------- |
 * | 0 to 74    | the beat from 240 ms before to 352 ms after its R peak, 80 for the usual beat's height |
 * | 75 to 112  | every second sample's difference from the usual beat, on the same scale             |
 * | 113 to 181 | {@link SCALARS} intervals and comparisons, see `describe`                           |
 * | 182 to 185 | 0                                                                                 |
 * | 186        | the number of this layout                                                         |
 *
 * After de Chazal, O'Dwyer and Reilly, IEEE Trans. Biomed. Eng. 51(7), 2004 (intervals and shape), and
 * Krasteva and Jekova, Ann. Noninvasive Electrocardiol. 12(2), 2007 (a person's own template).
 */
import { BEAT_SAMPLES } from '@mozaik/protocol/envelope';
import { log2, relation, RunningOrder, toByte } from './running.ts';

/** Number of this layout. Layout 1 was the beat alone, scaled between its minimum and maximum. */
export const CONTEXT_LAYOUT = 2;
/** Samples of the beat before its R peak. */
export const BEFORE = 30;
/** Samples of the beat from its R peak on. */
export const AFTER = 45;
const SPAN = BEFORE + AFTER;
/** Where the differences and the scalars begin. */
const DIFFERENCES = SPAN;
export const SCALARS_FROM = DIFFERENCES + (SPAN + 1) / 2;
/** How many intervals and comparisons there are. */
export const SCALARS = 69;

/** Detectors miss a peak by a little; within so many samples the beat goes where it fits the usual one. */
export const SEARCH = 3;
/** The QRS complex in the span, narrowly and widely; the P wave ends, the T wave begins. */
const QRS_FROM = BEFORE - 7;
const QRS_TO = BEFORE + 9;
const WIDE_FROM = QRS_FROM - 3;
const WIDE_TO = QRS_TO + 3;
const P_TO = BEFORE - 7;
const T_FROM = BEFORE + 14;

/** Longest interval that is told apart from longer ones, samples: 1.5 s. */
export const RR_MAX = 187;
/** Intervals that the long and the short order look back on. */
const LONG_ORDER = 32;
const SHORT_ORDER = 8;
/** Running intervals carry this many fractional bits, so that slow ones do not stall. */
const RR_BITS = 12;
/** Samples carry this many fractional bits. */
const SAMPLE_BITS = 4;
/** Least height of the usual beat: below it a lead is not connected. */
const MIN_HEIGHT = 8 << SAMPLE_BITS;
/** Differences are told in this part of the usual beat's height. */
const UNIT = 4096;
/** Largest difference of a beat that is like the usual one, and of one that is like the other. */
const LIKE_USUAL = 287;
const LIKE_OTHER = 369;
const LIKE_ROUGHLY = 410;
/** What one beat counts for a template, and the most that all count. */
const BEAT_COUNT = 8;
const MOST_COUNT = 24 * BEAT_COUNT;
/** Most beats in a row that are told as unusual or early. */
const MOST_IN_A_ROW = 31;

/** One shape of this person's beats, a running mean without its own mean, and how usual it is. */
interface Template {
  shape: Int32Array;
  count: number;
}

function newTemplate(): Template {
  return { shape: new Int32Array(SPAN), count: 0 };
}

/** Moves a running value one part in `parts` of the way. */
function towards(from: number, to: number, parts: number): number {
  return from + Math.floor((to - from) / parts);
}

/** Whether `a` is below `percent` of `b`. */
function below(a: number, percent: number, b: number): boolean {
  return 100 * a < percent * b;
}

/** Highest minus lowest value from `from` up to, not with, `to`. */
function height(x: Int32Array, from: number, to: number): number {
  let low = x[from];
  let high = low;
  for (let i = from + 1; i < to; i++) {
    if (x[i] < low) {
      low = x[i];
    } else if (x[i] > high) {
      high = x[i];
    }
  }
  return high - low;
}

/** Mean distance of two shapes, wherever each lies, in {@link UNIT} parts of `unit`. */
function distance(x: Int32Array, y: Int32Array, from: number, to: number, unit: number): number {
  let offset = 0;
  for (let i = from; i < to; i++) {
    offset += x[i] - y[i];
  }
  offset = Math.floor(offset / (to - from));
  let sum = 0;
  for (let i = from; i < to; i++) {
    sum += Math.abs(x[i] - y[i] - offset);
  }
  return Math.floor((UNIT * sum) / ((to - from) * unit));
}

/** Correlation of two shapes, 1 to 255 for -1 to 1. */
function correlation(x: Int32Array, y: Int32Array, from: number, to: number): number {
  let meanX = 0;
  let meanY = 0;
  for (let i = from; i < to; i++) {
    meanX += x[i];
    meanY += y[i];
  }
  meanX = Math.floor(meanX / (to - from));
  meanY = Math.floor(meanY / (to - from));
  let both = 0;
  let ofX = 0;
  let ofY = 0;
  for (let i = from; i < to; i++) {
    // Without fractional bits every product stays below 2^42, so that the sums are exact.
    const a = (x[i] - meanX) >> SAMPLE_BITS;
    const b = (y[i] - meanY) >> SAMPLE_BITS;
    both += a * b;
    ofX += a * a;
    ofY += b * b;
  }
  if (ofX === 0 || ofY === 0) {
    return 128;
  }
  return toByte(128 + (127 * both) / (Math.sqrt(ofX) * Math.sqrt(ofY)));
}

function steepness(x: Int32Array): number {
  let steepest = 0;
  for (let i = BEFORE - 12; i < BEFORE + 14; i++) {
    steepest = Math.max(steepest, Math.abs(x[i + 1] - x[i - 1]));
  }
  return steepest;
}

/** How long a shape's slopes are at least a quarter of its steepest, and how steep that is. */
function width(x: Int32Array): number {
  const steepest = steepness(x);
  let count = 0;
  for (let i = BEFORE - 12; i < BEFORE + 14; i++) {
    if (4 * Math.abs(x[i + 1] - x[i - 1]) > steepest) {
      count++;
    }
  }
  return count;
}

/** Mean distance in time of a shape's slopes from their middle, each by its square, 1/16 samples. */
function spread(x: Int32Array): number {
  let total = 0;
  let middle = 0;
  for (let i = BEFORE - 14; i < BEFORE + 18; i++) {
    const slope = (x[i + 1] - x[i - 1]) >> SAMPLE_BITS;
    total += slope * slope;
    middle += slope * slope * i;
  }
  if (total === 0) {
    return 0;
  }
  middle = Math.floor((16 * middle) / total);
  let sum = 0;
  for (let i = BEFORE - 14; i < BEFORE + 18; i++) {
    const slope = (x[i + 1] - x[i - 1]) >> SAMPLE_BITS;
    sum += slope * slope * Math.abs(16 * i - middle);
  }
  return Math.floor(sum / total);
}

/** Area of the QRS complex about the level before it. */
function area(x: Int32Array): number {
  const level = (x[BEFORE - 10] + x[BEFORE - 9]) >> 1;
  let sum = 0;
  for (let i = QRS_FROM; i < QRS_TO + 4; i++) {
    sum += Math.abs(x[i] - level);
  }
  return sum;
}

/** How rough a shape is outside of the QRS complex, {@link UNIT} parts of `unit`. */
function roughness(x: Int32Array, unit: number): number {
  let sum = 0;
  for (let i = 2; i < SPAN - 2; i++) {
    if (i < P_TO - 2 || i >= T_FROM + 2) {
      sum += Math.abs(2 * x[i] - x[i - 2] - x[i + 2]);
    }
  }
  return Math.floor((UNIT * sum) / ((P_TO - 4 + SPAN - T_FROM - 4) * unit));
}

/** Where `x` lies about `middle` by the usual change of intervals, 24 for one of it, on top of 128. */
function standing(x: number, middle: number, change: number): number {
  return toByte(128 + (24 * (x - middle)) / (change + (1 << RR_BITS)));
}

/** A difference on a logarithmic scale, by itself. */
function bySize(d: number): number {
  return toByte((60 * (log2(UNIT + 40 * d) - 12 * 32)) / 32);
}

/** A difference on a logarithmic scale, by the one that is typical (with 4 fractional bits). */
function byTypical(d: number, typical: number): number {
  return toByte(log2(UNIT + Math.floor((UNIT * 8 * d * 16) / (typical + 256))) - 12 * 32);
}

/**
 * What is known of one person's heart. Allocates nothing per beat. All arithmetic is on integers below
 * 2^53 but for two square roots, so that every board computes the same bytes.
 */
export class BeatContext {
  private usual = newTemplate();
  private other = newTemplate();
  private readonly beat = new Int32Array(SPAN);
  private readonly longOrder = new RunningOrder(LONG_ORDER);
  private readonly shortOrder = new RunningOrder(SHORT_ORDER);
  /** Beats so far. */
  private beats = 0;
  // The last three intervals, samples.
  private last1 = 0;
  private last2 = 0;
  private last3 = 0;
  // Running intervals with RR_BITS fractional bits: of all beats, quickly and slowly ...
  private mean = 0;
  private slow = 0;
  /** ... mostly of beats that are neither early nor unlike the usual one ... */
  private calm = 0;
  /** ... and of the basic rhythm, which a run of early beats hardly moves, however long it is. */
  private basic = 0;
  private basicSlow = 0;
  /** How much intervals differ from the one before and from the basic rhythm. */
  private change = 0;
  private unrest = 0;
  // What beats that are roughly like the usual one differ by, with 4 fractional bits.
  private typicalAll = 1966;
  private typicalQrs = 2621;
  private typicalP = 1311;
  private typicalT = 1311;
  // The two beats before: how they differed.
  private unlike1 = 0;
  private unlike2 = 0;
  private unusualInARow = 0;
  private earlyInARow = 0;
  /** Part of beats that were as usual, of 2^16. */
  private usualPart = 1 << 16;

  /**
   * Describes a beat, then learns from it. Beats come in order.
   *
   * @param samples integers of at most 20 bits; `samples[(peak + i) & mask]` from i = -33 to 47 is read.
   * @param peak index of the R peak, not negative after adding it to i.
   * @param mask one less than the power of two that indices go round at.
   * @param pre samples since the R peak before, 0 when this is the first.
   * @param post samples until the next R peak, {@link RR_MAX} or more when none is near.
   * @param out {@link BEAT_SAMPLES} bytes.
   * @throws Error when `out` has another length.
   */
  describe(
    samples: ArrayLike<number>,
    peak: number,
    mask: number,
    pre: number,
    post: number,
    out: Uint8Array,
  ): void {
    if (out.length !== BEAT_SAMPLES) {
      throw new Error('heartbeat: a window has 187 bytes');
    }
    const shift = this.usual.count > 0 ? this.place(samples, peak, mask) : 0;
    this.load(samples, peak + shift - BEFORE, mask);
    const next = Math.min(post, RR_MAX);
    const rr = pre > 0 ? Math.min(pre, RR_MAX) : next;
    if (this.beats === 0) {
      this.begin(rr);
    }
    this.write(rr, next, shift, out);
  }

  /** The first beat is all that is known. */
  private begin(rr: number): void {
    this.usual.shape.set(this.beat);
    this.usual.count = BEAT_COUNT;
    const interval = rr << RR_BITS;
    this.mean = interval;
    this.slow = interval;
    this.calm = interval;
    this.basic = interval;
    this.basicSlow = interval;
    this.unrest = Math.floor(interval / 20);
    this.last1 = rr;
    this.last2 = rr;
    this.last3 = rr;
  }

  /** Where the QRS complex fits the usual one best: -SEARCH to SEARCH. */
  private place(samples: ArrayLike<number>, peak: number, mask: number): number {
    const shape = this.usual.shape;
    let best = 0;
    let least = -1;
    for (let tried = 0; tried <= 2 * SEARCH; tried++) {
      // From the middle outwards: of equal places the nearest wins.
      const far = (tried + 1) >> 1;
      const shift = tried % 2 === 0 ? far : -far;
      const from = peak - BEFORE + shift;
      let offset = 0;
      for (let i = QRS_FROM; i < QRS_TO; i++) {
        offset += (samples[(from + i) & mask] << SAMPLE_BITS) - shape[i];
      }
      offset = Math.floor(offset / (QRS_TO - QRS_FROM));
      let sum = 0;
      for (let i = QRS_FROM; i < QRS_TO; i++) {
        sum += Math.abs((samples[(from + i) & mask] << SAMPLE_BITS) - shape[i] - offset);
      }
      if (least < 0 || sum < least) {
        least = sum;
        best = shift;
      }
    }
    return best;
  }

  /** Takes the beat out of the samples, less its mean. */
  private load(samples: ArrayLike<number>, from: number, mask: number): void {
    const beat = this.beat;
    let sum = 0;
    for (let i = 0; i < SPAN; i++) {
      beat[i] = samples[(from + i) & mask] << SAMPLE_BITS;
      sum += beat[i];
    }
    const mean = Math.floor(sum / SPAN);
    for (let i = 0; i < SPAN; i++) {
      beat[i] -= mean;
    }
  }

  private write(rr: number, next: number, shift: number, out: Uint8Array): void {
    const beat = this.beat;
    const usual = this.usual.shape;
    const unit = Math.max(height(usual, 0, SPAN), MIN_HEIGHT);
    out.fill(0);
    for (let i = 0; i < SPAN; i++) {
      out[i] = toByte(128 + (80 * beat[i]) / unit);
    }
    for (let i = 0; i < SPAN; i += 2) {
      out[DIFFERENCES + (i >> 1)] = toByte(128 + (80 * (beat[i] - usual[i])) / unit);
    }
    const all = distance(beat, usual, 0, SPAN, unit);
    const qrs = distance(beat, usual, WIDE_FROM, WIDE_TO, unit);
    const p = distance(beat, usual, 0, P_TO, unit);
    const t = distance(beat, usual, T_FROM, SPAN, unit);
    const hasOther = this.other.count > 0;
    const toOther = hasOther ? distance(beat, this.other.shape, 0, SPAN, unit) : UNIT;
    const at = this.writeIntervals(rr, next, out, SCALARS_FROM);
    this.writeShape(unit, toOther, shift, out, at, p);
    const end = SCALARS_FROM + SCALARS;
    out[end - 8] = byTypical(all, this.typicalAll);
    out[end - 7] = byTypical(qrs, this.typicalQrs);
    out[end - 6] = byTypical(p, this.typicalP);
    out[end - 5] = byTypical(t, this.typicalT);
    out[end - 4] = bySize(all);
    out[end - 3] = bySize(qrs);
    out[end - 2] = bySize(p);
    out[end - 1] = bySize(t);
    out[BEAT_SAMPLES - 1] = CONTEXT_LAYOUT;
    this.learnShape(rr, all, qrs, p, t, toOther);
    this.learnInterval(rr, all);
  }

  /** Intervals of this beat, of those before, and how they stand to each other. @returns what follows */
  private writeIntervals(rr: number, next: number, out: Uint8Array, from: number): number {
    const short = this.shortOrder;
    const long = this.longOrder;
    const known = long.count > 0;
    const middle = known ? short.eighth(4) : rr;
    const usual = known ? long.eighth(4) : rr;
    const fixed = rr << RR_BITS;
    const fixedNext = next << RR_BITS;
    let at = from;
    out[at++] = relation(rr, middle, 220);
    out[at++] = relation(fixed, this.mean, 220);
    out[at++] = relation(next, middle, 220);
    out[at++] = relation(fixedNext, this.mean, 220);
    out[at++] = relation(rr, next, 220);
    out[at++] = relation(this.last1 << RR_BITS, this.mean, 220);
    out[at++] = relation(this.last2 << RR_BITS, this.mean, 220);
    out[at++] = relation(this.last3 << RR_BITS, this.mean, 220);
    out[at++] = rr;
    out[at++] = middle;
    out[at++] = next;
    out[at++] = relation(rr, usual, 220);
    out[at++] = relation(rr, known ? long.eighth(6) : rr, 220);
    out[at++] = known ? relation(long.eighth(6), long.eighth(2), 128) : 128;
    out[at++] = known ? relation(short.eighth(8), short.eighth(0), 128) : 128;
    out[at++] = toByte((512 * this.change) / this.mean);
    out[at++] = relation(rr, this.last1, 220);
    out[at++] = relation(fixed, this.slow, 220);
    out[at++] = standing(fixed, this.mean, this.change);
    out[at++] = relation(fixed, this.calm, 220);
    out[at++] = relation(fixedNext, this.calm, 220);
    out[at++] = relation(fixed + fixedNext, 2 * this.calm, 220);
    // 40 for twice as long: this interval beside the geometric mean of its neighbours, squared.
    out[at++] = toByte(
      128 + (40 * (log2(256 * rr * rr) - log2(256 * Math.max(1, next * this.last1)))) / 32,
    );
    out[at++] = 32 * Math.min(7, this.unusualInARow);
    out[at++] = toByte((255 * this.usualPart) / 65536);
    out[at++] = relation(fixed, this.basic, 220);
    out[at++] = relation(fixedNext, this.basic, 220);
    out[at++] = relation(fixed, this.basicSlow, 220);
    out[at++] = relation(fixedNext, this.basicSlow, 220);
    out[at++] = relation(this.mean, this.basic, 220);
    out[at++] = standing(fixed, this.basic, this.unrest);
    out[at++] = toByte((8 * this.unrest) / (1 << RR_BITS));
    out[at++] = relation(this.last1 << RR_BITS, this.basic, 220);
    out[at++] = 8 * this.earlyInARow;
    return at;
  }

  /** The beat's shape by itself and beside the usual one. */
  private writeShape(
    unit: number,
    toOther: number,
    shift: number,
    out: Uint8Array,
    from: number,
    p: number,
  ): void {
    const beat = this.beat;
    const usual = this.usual.shape;
    const hasOther = this.other.count > 0;
    const other = this.other.shape;
    const wave = height(usual, 4, P_TO - 2);
    const spreadHere = spread(beat);
    const spreadUsual = spread(usual);
    let at = from;
    out[at++] = toByte((toOther * 512) / UNIT);
    out[at++] = correlation(beat, usual, 0, SPAN);
    out[at++] = correlation(beat, usual, WIDE_FROM, WIDE_TO);
    out[at++] = correlation(beat, usual, 0, P_TO);
    out[at++] = relation(height(beat, 0, SPAN), unit, 128);
    out[at++] = 8 * width(beat);
    out[at++] = 8 * width(usual);
    out[at++] = relation(steepness(beat), steepness(usual), 128);
    out[at++] = toByte((512 * height(beat, 4, P_TO - 2)) / unit);
    out[at++] = relation(area(beat), area(usual), 128);
    out[at++] = this.unlike1;
    out[at++] = this.unlike2;
    out[at++] = this.usual.count;
    out[at++] = 128 + 16 * shift;
    // The P wave's difference beside the usual P wave's height.
    out[at++] = toByte((p * unit) / (32 * Math.max(wave, 4 << SAMPLE_BITS)));
    out[at++] = toByte(spreadHere);
    out[at++] = toByte(spreadUsual);
    out[at++] = toByte(128 + spreadHere - spreadUsual);
    out[at++] = toByte((2000 * roughness(beat, unit)) / UNIT);
    out[at++] = toByte((2000 * roughness(usual, unit)) / UNIT);
    let low = beat[0];
    let high = low;
    for (let i = 1; i < SPAN; i++) {
      low = Math.min(low, beat[i]);
      high = Math.max(high, beat[i]);
    }
    out[at++] = toByte(128 + (100 * high) / unit);
    out[at++] = toByte(128 + (100 * low) / unit);
    out[at++] = toByte(
      hasOther ? (distance(beat, other, WIDE_FROM, WIDE_TO, unit) * 512) / UNIT : 255,
    );
    out[at++] = hasOther ? correlation(beat, other, WIDE_FROM, WIDE_TO) : 128;
    out[at++] = toByte((this.typicalAll * 1500) / (16 * UNIT));
    out[at++] = toByte((this.typicalP * 1500) / (16 * UNIT));
    out[at] = toByte(128 + (100 * (beat[BEFORE] - beat[BEFORE - 12])) / unit);
  }

  /** Draws the templates towards this beat. */
  private learnShape(
    rr: number,
    all: number,
    qrs: number,
    p: number,
    t: number,
    toOther: number,
  ): void {
    const usual = this.usual;
    const other = this.other;
    this.unlike2 = this.unlike1;
    this.unlike1 = toByte((all * 512) / UNIT);
    if (all < LIKE_USUAL) {
      // An early beat may look like the usual one but for its P wave, which must not become usual.
      const early = below(rr << RR_BITS, 88, this.basic);
      this.draw(usual, early ? 48 : Math.min(8, 1 + Math.floor(usual.count / BEAT_COUNT)));
      usual.count = Math.min(MOST_COUNT, usual.count + BEAT_COUNT);
      other.count = Math.max(0, other.count - 2);
    } else if (this.isEarly(rr)) {
      usual.count = Math.max(BEAT_COUNT, usual.count - 1);
    } else if (other.count > 0 && toOther < LIKE_OTHER) {
      this.draw(other, Math.min(8, 1 + Math.floor(other.count / BEAT_COUNT)));
      other.count = Math.min(MOST_COUNT, other.count + BEAT_COUNT);
      usual.count = Math.max(BEAT_COUNT, usual.count - BEAT_COUNT);
      // What was thought to be usual was not, or is not any more.
      if (other.count > usual.count) {
        this.usual = other;
        this.other = usual;
      }
    } else if (other.count <= 2 * BEAT_COUNT) {
      other.shape.set(this.beat);
      other.count = BEAT_COUNT;
      usual.count = Math.max(BEAT_COUNT, usual.count - BEAT_COUNT / 2);
    } else {
      other.count -= BEAT_COUNT;
    }
    if (all < LIKE_ROUGHLY) {
      this.typicalAll = towards(this.typicalAll, 16 * all, 16);
      this.typicalQrs = towards(this.typicalQrs, 16 * qrs, 16);
      this.typicalP = towards(this.typicalP, 16 * p, 16);
      this.typicalT = towards(this.typicalT, 16 * t, 16);
    }
  }

  private draw(template: Template, parts: number): void {
    const shape = template.shape;
    for (let i = 0; i < SPAN; i++) {
      shape[i] = towards(shape[i], this.beat[i], parts);
    }
  }

  /** Whether a beat comes early by any measure: such beats never found a new usual shape. */
  private isEarly(rr: number): boolean {
    return (
      below(rr << RR_BITS, 84, this.mean) ||
      (this.longOrder.count > 0 &&
        (below(rr, 86, this.longOrder.eighth(4)) || below(rr, 86, this.shortOrder.eighth(4))))
    );
  }

  private learnInterval(rr: number, all: number): void {
    const interval = rr << RR_BITS;
    const beats = this.beats;
    const calm = !this.isEarly(rr) && all < LIKE_ROUGHLY;
    // Changes of up to 14 % are followed, a heart at rest or at work; more is another rhythm.
    const near = 100 * Math.abs(interval - this.basic) < 14 * this.basic;
    const nearSlow = 100 * Math.abs(interval - this.basicSlow) < 14 * this.basicSlow;
    const slower = interval > this.basic;
    const slowerSlow = interval > this.basicSlow;
    this.basic = towards(this.basic, interval, beats < 8 ? 4 : near ? 8 : slower ? 48 : 256);
    this.basicSlow = towards(
      this.basicSlow,
      interval,
      beats < 8 ? 4 : nearSlow ? 16 : slowerSlow ? 32 : 1024,
    );
    this.earlyInARow = below(interval, 88, this.basic)
      ? Math.min(MOST_IN_A_ROW, this.earlyInARow + 1)
      : 0;
    this.unrest = towards(this.unrest, Math.abs(interval - this.basic), 32);
    this.unusualInARow = calm ? 0 : Math.min(MOST_IN_A_ROW, this.unusualInARow + 1);
    this.usualPart = towards(this.usualPart, calm ? 1 << 16 : 0, 16);
    this.calm = towards(this.calm, interval, calm ? 8 : 64);
    this.change = towards(this.change, Math.abs(interval - (this.last1 << RR_BITS)), 16);
    this.mean = towards(this.mean, interval, Math.min(16, beats + 1));
    this.slow = towards(this.slow, interval, Math.min(64, beats + 1));
    this.longOrder.add(rr);
    this.shortOrder.add(rr);
    this.last3 = beats < 2 ? this.last1 : this.last2;
    this.last2 = this.last1;
    this.last1 = rr;
    this.beats = beats + 1;
  }
}
