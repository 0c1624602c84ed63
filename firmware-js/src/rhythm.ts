/** What a board knows of its wearer's intervals between beats, in samples at 125 Hz. */
import { log2, relation, RunningOrder, toByte } from './running.ts';

/** Longest interval that is told apart from longer ones: 1.5 s. */
export const RR_MAX = 187;

/** Running intervals carry this many fractional bits, so that slow ones do not stall. */
const RR_BITS = 12;
/** Intervals that the long and the short order look back on. */
const LONG_ORDER = 32;
const SHORT_ORDER = 8;
/** Most beats in a row that are told as unusual or early. */
const MOST_IN_A_ROW = 31;
/** Intervals told one by one. */
const LAST = 3;

/** Running intervals by index: means of all beats, quick and slow ... */
const MEAN = 0;
const SLOW = 1;
/** ... one mostly of beats that are neither early nor unlike the usual one ... */
const CALM = 2;
/** ... the basic rhythm, which a run of early beats hardly moves, however long it is ... */
const BASIC = 3;
const BASIC_SLOW = 4;
/** ... and medians. */
const MEDIAN = 5;
const LONG_MEDIAN = 6;
const RUNNING = 7;

/** Moves a running value one part in `parts` of the way. */
export function towards(from: number, to: number, parts: number): number {
  return from + Math.floor((to - from) / parts);
}

/** Whether `a` is below `percent` of `b`. */
function below(a: number, percent: number, b: number): boolean {
  return 100 * a < percent * b;
}

/** Whether two intervals differ by less than a heart at rest and at work: more is another rhythm. */
function near(a: number, b: number): boolean {
  return 100 * Math.abs(a - b) < 14 * b;
}

/** Where `x` lies about `middle` by the usual change of intervals, 24 for one of it, on top of 128. */
function standing(x: number, middle: number, change: number): number {
  return toByte(128 + (24 * (x - middle)) / (change + (1 << RR_BITS)));
}

export class Rhythm {
  private readonly running = new Int32Array(RUNNING);
  private readonly last = new Int32Array(LAST);
  private readonly longOrder = new RunningOrder(LONG_ORDER);
  private readonly shortOrder = new RunningOrder(SHORT_ORDER);
  /** Beats so far. */
  private beats = 0;
  /** How much intervals differ from the one before and from the basic rhythm, with fractional bits. */
  private change = 0;
  private unrest = 0;
  private unusualInARow = 0;
  private earlyInARow = 0;
  /** Part of beats that were as usual, of 2^16. */
  private usualPart = 1 << 16;

  /** Takes the first interval for all that there were, if it is the first. */
  begin(rr: number): void {
    if (this.beats === 0) {
      const interval = rr << RR_BITS;
      this.running.fill(interval);
      this.last.fill(rr);
      this.longOrder.add(rr);
      this.shortOrder.add(rr);
      this.unrest = Math.floor(interval / 20);
    }
  }

  /** Whether a beat comes earlier than the basic rhythm. */
  isEarly(rr: number): boolean {
    return below(rr << RR_BITS, 88, this.running[BASIC]);
  }

  /** Whether a beat comes early by any measure: such beats never found a new usual shape. */
  isSudden(rr: number): boolean {
    const running = this.running;
    const interval = rr << RR_BITS;
    return (
      below(interval, 84, running[MEAN]) ||
      below(interval, 86, running[MEDIAN]) ||
      below(interval, 86, running[LONG_MEDIAN])
    );
  }

  /**
   * Describes the intervals before and after a beat, those before, and how they stand to each other.
   *
   * @returns what follows `from`.
   */
  write(rr: number, next: number, out: Uint8Array, from: number): number {
    const running = this.running;
    const last = this.last;
    const long = this.longOrder;
    const short = this.shortOrder;
    const interval = rr << RR_BITS;
    const nextInterval = next << RR_BITS;
    const mean = running[MEAN];
    const basic = running[BASIC];
    const upper = long.eighth(6);
    let at = from;
    for (let i = 0; i < RUNNING; i++) {
      out[at++] = relation(interval, running[i], 220);
      out[at++] = relation(nextInterval, running[i], 220);
    }
    for (let i = 0; i < LAST; i++) {
      out[at++] = relation(last[i] << RR_BITS, mean, 220);
      out[at++] = relation(last[i] << RR_BITS, basic, 220);
    }
    out[at++] = rr;
    out[at++] = next;
    out[at++] = running[MEDIAN] >> RR_BITS;
    out[at++] = relation(rr, next, 220);
    out[at++] = relation(rr, last[0], 220);
    out[at++] = relation(rr, upper, 220);
    out[at++] = relation(upper, long.eighth(2), 128);
    out[at++] = relation(short.eighth(8), short.eighth(0), 128);
    out[at++] = relation(interval + nextInterval, 2 * running[CALM], 220);
    out[at++] = relation(mean, basic, 220);
    // 40 for twice as long: this interval beside the geometric mean of its neighbours, squared.
    const neighbours = Math.max(1, next * last[0]);
    out[at++] = toByte(128 + (40 * (log2(256 * rr * rr) - log2(256 * neighbours))) / 32);
    out[at++] = toByte((512 * this.change) / mean);
    out[at++] = standing(interval, mean, this.change);
    out[at++] = standing(interval, basic, this.unrest);
    out[at++] = toByte((8 * this.unrest) / (1 << RR_BITS));
    out[at++] = 32 * Math.min(7, this.unusualInARow);
    out[at++] = toByte((255 * this.usualPart) / 65536);
    out[at++] = 8 * this.earlyInARow;
    return at;
  }

  /** @param like whether the beat looks roughly like the usual one. */
  learn(rr: number, like: boolean): void {
    const running = this.running;
    const last = this.last;
    const interval = rr << RR_BITS;
    const beats = this.beats;
    const calm = like && !this.isSudden(rr);
    const basic = running[BASIC];
    const slow = running[BASIC_SLOW];
    running[BASIC] = towards(
      basic,
      interval,
      beats < 8 ? 4 : near(interval, basic) ? 8 : interval > basic ? 48 : 256,
    );
    running[BASIC_SLOW] = towards(
      slow,
      interval,
      beats < 8 ? 4 : near(interval, slow) ? 16 : interval > slow ? 32 : 1024,
    );
    this.earlyInARow = this.isEarly(rr) ? Math.min(MOST_IN_A_ROW, this.earlyInARow + 1) : 0;
    this.unusualInARow = calm ? 0 : Math.min(MOST_IN_A_ROW, this.unusualInARow + 1);
    this.usualPart = towards(this.usualPart, calm ? 1 << 16 : 0, 16);
    this.unrest = towards(this.unrest, Math.abs(interval - running[BASIC]), 32);
    this.change = towards(this.change, Math.abs(interval - (last[0] << RR_BITS)), 16);
    running[CALM] = towards(running[CALM], interval, calm ? 8 : 64);
    running[MEAN] = towards(running[MEAN], interval, Math.min(16, beats + 1));
    running[SLOW] = towards(running[SLOW], interval, Math.min(64, beats + 1));
    this.longOrder.add(rr);
    this.shortOrder.add(rr);
    running[MEDIAN] = this.shortOrder.eighth(4) << RR_BITS;
    running[LONG_MEDIAN] = this.longOrder.eighth(4) << RR_BITS;
    last[2] = last[1];
    last[1] = last[0];
    last[0] = rr;
    this.beats = beats + 1;
  }
}
