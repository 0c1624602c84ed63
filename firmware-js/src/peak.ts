/**
 * R-peak detection in an ECG at 125 Hz, one integer sample at a time, with integer arithmetic only.
 *
 * The sharpest bend of a heartbeat is its QRS complex. The detector follows the second difference of
 * the signal over 2 x 32 ms, compares it with half of what recent heartbeats reached, and then takes
 * the sample farthest from the slowly followed baseline as the R peak, so that an inverted lead works
 * as well. In the spirit of Pan and Tompkins, IEEE Trans. Biomed. Eng. 32(3), 1985, but without
 * filters.
 */
import { BEAT_RATE_HZ } from '@mozaik/protocol/envelope';

/** 250 ms: the heart cannot beat again sooner, and what looks like it is a T wave. */
export const REFRACTORY_SAMPLES = Math.ceil(BEAT_RATE_HZ / 4);

/** The threshold is learned for two seconds before the first peak is reported. */
const LEARNING_SAMPLES = 2 * BEAT_RATE_HZ;
/** Samples on either side that a bend is measured against. */
const ARM = 4;
/** The R peak lies at most so many samples before and after the threshold is crossed. */
const LOOK_BACK = 9;
const LOOK_AHEAD = 10;
/** Samples kept: a power of two above LOOK_BACK + LOOK_AHEAD. */
const HISTORY = 32;
/** Bends below this many sample units are noise of a quiet input, never a heartbeat. */
const MIN_BEND = 8;
/** The level carries this many fractional bits, so that its decay does not stall. */
const FRACTION_BITS = 8;
/** The level halves in about 1024 ln 2 samples, 5.7 s: the contact may have become worse. */
const DECAY_SHIFT = 10;
/** The baseline follows the signal with a time constant of 64 samples, 0.5 s. */
const BASELINE_SHIFT = 6;

export class PeakDetector {
  private readonly history = new Int32Array(HISTORY);
  private count = 0;
  /** Baseline in sample units, with BASELINE_SHIFT fractional bits. */
  private baseline = 0;
  /** Bend that a heartbeat is expected to reach, with FRACTION_BITS fractional bits. */
  private level = 0;
  /** Samples since the last R peak. */
  private since = 0;
  /** Samples since the threshold was crossed, -1 while it is not. */
  private crossed = -1;
  private sharpest = 0;

  /** Learns anew from the next sample on. */
  restart(): void {
    this.count = 0;
    this.level = 0;
    this.since = 0;
    this.crossed = -1;
  }

  /**
   * Takes the next sample, an integer of at most 20 bits.
   *
   * @returns how many samples ago the R peak was when one has just been recognised, else -1.
   */
  push(sample: number): number {
    const history = this.history;
    if (this.count === 0) {
      history.fill(sample);
      this.baseline = sample << BASELINE_SHIFT;
    }
    const at = this.count % HISTORY;
    history[at] = sample;
    const bend = Math.abs(2 * this.past(at, ARM) - this.past(at, 2 * ARM) - sample);
    this.count++;
    this.since++;
    this.baseline += sample - (this.baseline >> BASELINE_SHIFT);

    if (this.count <= LEARNING_SAMPLES) {
      this.level = Math.max(this.level, bend << FRACTION_BITS);
      return -1;
    }
    if (this.crossed < 0) {
      this.level -= this.level >> DECAY_SHIFT;
      const threshold = Math.max(this.level >> (FRACTION_BITS + 1), MIN_BEND);
      if (this.since >= REFRACTORY_SAMPLES && bend > threshold) {
        this.crossed = 0;
        this.sharpest = bend;
      }
      return -1;
    }
    this.crossed++;
    this.sharpest = Math.max(this.sharpest, bend);
    if (this.crossed < LOOK_AHEAD) {
      return -1;
    }
    this.crossed = -1;
    // A quarter of the way to the new beat: one artefact does not deafen the detector.
    this.level += ((this.sharpest << FRACTION_BITS) - this.level) >> 2;
    this.since = this.samplesSincePeak(at);
    return this.since;
  }

  /** The sample `ago` samples before the one at `at`. */
  private past(at: number, ago: number): number {
    return this.history[(at + HISTORY - ago) % HISTORY];
  }

  /** Samples from the one farthest from the baseline to the newest, which is at `at`. */
  private samplesSincePeak(at: number): number {
    const base = this.baseline >> BASELINE_SHIFT;
    const oldest = Math.min(LOOK_BACK + LOOK_AHEAD, this.since - REFRACTORY_SAMPLES);
    let farthest = -1;
    let found = 0;
    for (let ago = 0; ago <= oldest; ago++) {
      const distance = Math.abs(this.past(at, ago) - base);
      if (distance > farthest) {
        farthest = distance;
        found = ago;
      }
    }
    return found;
  }
}
