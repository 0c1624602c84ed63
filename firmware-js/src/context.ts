/**
 * Heartbeat windows of layout 3: the beat as it looks beside this person's other beats.
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
 * | 113 to 185 | {@link SCALARS} intervals and comparisons: `Rhythm.write` and `writeShape`            |
 * | 186        | the number of this layout                                                         |
 *
 * After de Chazal, O'Dwyer and Reilly, IEEE Trans. Biomed. Eng. 51(7), 2004 (intervals and shape), and
 * Krasteva and Jekova, Ann. Noninvasive Electrocardiol. 12(2), 2007 (a person's own template).
 */
import { BEAT_SAMPLES } from '@mozaik/protocol/envelope';
import { log2, relation, toByte } from './running.ts';
import { Rhythm, RR_MAX, towards } from './rhythm.ts';
import {
  AREA,
  BEFORE,
  HIGH,
  LOW,
  newComparison,
  P_WAVE,
  QRS,
  ROUGH,
  SAMPLE_BITS,
  Shape,
  SPAN,
  SPREAD,
  STEEP,
  T_WAVE,
  UNIT,
  WAVE,
  WHOLE,
  WIDTH,
} from './shape.ts';

/**
 * Number of this layout. Layout 1 was the beat alone, scaled between its minimum and maximum; layout 2
 * said the same as this one by costlier sums.
 */
export const CONTEXT_LAYOUT = 3;
/** Where the differences and the scalars begin. */
const DIFFERENCES = SPAN;
export const SCALARS_FROM = DIFFERENCES + (SPAN + 1) / 2;
/** Height of the usual beat in the window. */
const PICTURE_HEIGHT = 80;
/** How many intervals and comparisons there are. */
export const SCALARS = 73;

/** Least height of the usual beat: below it a lead is not connected. */
const MIN_HEIGHT = 8 << SAMPLE_BITS;
/** Largest difference of a beat that is like the usual one, and of one that is like the other. */
const LIKE_USUAL = 375;
const LIKE_OTHER = 515;
const LIKE_ROUGHLY = 560;
/** What one beat counts for a template, and the most that all count. */
const BEAT_COUNT = 8;
const MOST_COUNT = 160 * BEAT_COUNT;
/** How much more usual the other shape must be to take its place: runs and bigeminy are not usual. */
const MARGIN = 40 * BEAT_COUNT;

/** What the next beat weighs in a running shape, of 64: less the more there were, an eighth at the least. */
function weight(count: number): number {
  return Math.max(8, Math.floor(64 / (1 + count / BEAT_COUNT)));
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
 * What is known of one person's heart. Allocates nothing per beat. Intervals are integers, and divided
 * in doubles like all else, so that every board computes the same bytes.
 */
export class BeatContext {
  private usual = new Shape();
  private other = new Shape();
  private readonly heard = new Shape();
  private readonly beside = newComparison();
  private readonly besideOther = newComparison();
  private readonly rhythm = new Rhythm();
  // What beats that are roughly like the usual one differ by, with 4 fractional bits.
  private readonly typical = new Int32Array([1311, 2621, 1311, 1966]);
  // The two beats before: how they differed.
  private unlike1 = 0;
  private unlike2 = 0;

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
    const from = peak - BEFORE;
    const usual = this.usual;
    const shift = usual.count > 0 ? usual.fit(samples, from, mask) : 0;
    this.heard.take(samples, from + shift, mask);
    if (usual.count === 0) {
      usual.copy(this.heard);
      usual.count = BEAT_COUNT;
    }
    const next = Math.min(post, RR_MAX);
    const rr = pre > 0 ? Math.min(pre, RR_MAX) : next;
    const measures = usual.measures;
    const unit = Math.max(measures[HIGH] - measures[LOW], MIN_HEIGHT);
    this.heard.compare(usual, unit, this.beside);
    const toOther = this.compareOther(unit);
    this.rhythm.begin(rr);
    this.picture(unit, out);
    const at = this.rhythm.write(rr, next, out, SCALARS_FROM);
    this.writeShape(unit, toOther, shift, out, at);
    out[BEAT_SAMPLES - 1] = CONTEXT_LAYOUT;
    this.learnShape(rr, toOther);
    this.rhythm.learn(rr, this.beside.distances[WHOLE] < LIKE_ROUGHLY);
  }

  /** @returns the difference from the other shape, as large as can be when there is none. */
  private compareOther(unit: number): number {
    if (this.other.count === 0) {
      return UNIT;
    }
    this.heard.compare(this.other, unit, this.besideOther);
    return this.besideOther.distances[WHOLE];
  }

  /** The beat, and how it differs from the usual one. */
  private picture(unit: number, out: Uint8Array): void {
    const beat = this.heard.wave;
    const usual = this.usual.wave;
    const level = this.beside.level;
    const above = this.beside.above;
    const scale = PICTURE_HEIGHT / unit;
    for (let i = 0; i < SPAN; i++) {
      const value = 128 + scale * (beat[i] - level);
      // Bytes are integers, cut off: no call for each of them.
      out[i] = value > 0 ? (value < 255 ? value : 255) : 0;
      if (i % 2 === 0) {
        const difference = 128 + scale * (beat[i] - usual[i] - above);
        out[DIFFERENCES + (i >> 1)] = difference > 0 ? (difference < 255 ? difference : 255) : 0;
      }
    }
  }

  /** The beat's shape by itself and beside the usual one. */
  private writeShape(
    unit: number,
    toOther: number,
    shift: number,
    out: Uint8Array,
    from: number,
  ): void {
    const beat = this.heard.measures;
    const usual = this.usual.measures;
    const samples = this.heard.wave;
    const level = this.beside.level;
    const hasOther = this.other.count > 0;
    const distances = this.beside.distances;
    const correlations = this.beside.correlations;
    const height = beat[HIGH] - beat[LOW];
    let at = from;
    out[at++] = toByte((toOther * 512) / UNIT);
    out[at++] = correlations[QRS];
    out[at++] = correlations[P_WAVE];
    out[at++] = correlations[T_WAVE];
    out[at++] = relation(height, unit, 128);
    out[at++] = toByte(beat[WIDTH] / 4);
    out[at++] = toByte(usual[WIDTH] / 4);
    out[at++] = relation(beat[STEEP], usual[STEEP], 128);
    out[at++] = toByte((512 * beat[WAVE]) / unit);
    out[at++] = relation(beat[AREA], usual[AREA], 128);
    out[at++] = this.unlike1;
    out[at++] = this.unlike2;
    out[at++] = toByte((this.usual.count * 192) / MOST_COUNT);
    out[at++] = 128 + 16 * shift;
    // The P wave's difference beside the usual P wave's height.
    out[at++] = toByte((distances[P_WAVE] * unit) / (32 * Math.max(usual[WAVE], 4 << SAMPLE_BITS)));
    out[at++] = toByte(beat[SPREAD] / 4);
    out[at++] = toByte(usual[SPREAD] / 4);
    out[at++] = toByte(128 + (beat[SPREAD] - usual[SPREAD]) / 4);
    out[at++] = toByte((4000 * beat[ROUGH]) / unit);
    out[at++] = toByte((4000 * usual[ROUGH]) / unit);
    out[at++] = toByte(128 + (100 * (beat[HIGH] - level)) / unit);
    out[at++] = toByte(128 + (100 * (beat[LOW] - level)) / unit);
    out[at++] = hasOther ? toByte((this.besideOther.distances[QRS] * 512) / UNIT) : 255;
    out[at++] = hasOther ? this.besideOther.correlations[QRS] : 128;
    out[at++] = toByte((this.typical[WHOLE] * 1500) / (16 * UNIT));
    out[at++] = toByte((this.typical[P_WAVE] * 1500) / (16 * UNIT));
    out[at++] = toByte(128 + (100 * (samples[BEFORE] - samples[BEFORE - 12])) / unit);
    for (let part = 0; part <= WHOLE; part++) {
      out[at++] = byTypical(distances[part], this.typical[part]);
      out[at++] = bySize(distances[part]);
    }
  }

  /** Draws the templates towards this beat. */
  private learnShape(rr: number, toOther: number): void {
    const usual = this.usual;
    const other = this.other;
    const distances = this.beside.distances;
    const all = distances[WHOLE];
    this.unlike2 = this.unlike1;
    this.unlike1 = toByte((all * 512) / UNIT);
    if (all < LIKE_USUAL) {
      // An early beat may look like the usual one but for its P wave, which must not become usual.
      const early = this.rhythm.isEarly(rr);
      usual.draw(this.heard, early ? 1 : weight(usual.count));
      usual.count = Math.min(MOST_COUNT, usual.count + BEAT_COUNT);
      other.count = Math.max(0, other.count - 2);
    } else if (this.rhythm.isSudden(rr)) {
      usual.count = Math.max(BEAT_COUNT, usual.count - 1);
    } else if (other.count > 0 && toOther < LIKE_OTHER) {
      other.draw(this.heard, weight(other.count));
      other.count = Math.min(MOST_COUNT, other.count + BEAT_COUNT);
      usual.count = Math.max(BEAT_COUNT, usual.count - BEAT_COUNT);
      // What was thought to be usual was not, or is not any more.
      if (other.count > usual.count + MARGIN) {
        this.usual = other;
        this.other = usual;
      }
    } else if (other.count <= 2 * BEAT_COUNT) {
      other.copy(this.heard);
      other.count = BEAT_COUNT;
      usual.count = Math.max(BEAT_COUNT, usual.count - BEAT_COUNT / 2);
    } else {
      other.count -= BEAT_COUNT;
    }
    if (all < LIKE_ROUGHLY) {
      for (let part = 0; part <= WHOLE; part++) {
        this.typical[part] = towards(this.typical[part], 16 * distances[part], 16);
      }
    }
  }
}
