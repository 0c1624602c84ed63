/**
 * Heartbeat windows: 187 unsigned 8-bit samples at 125 Hz that begin at an R peak.
 *
 * A window holds the first `min(187, floor(1.2 rr))` samples from the peak on, where rr is the
 * running median of the wearer's RR intervals in samples; the rest is 0. The samples are scaled to
 * 0..255 between their minimum and maximum. This is the heartbeat format of the MIT-BIH derived data
 * sets (Kachuee, Fazeli and Sarrafzadeh, ICHI 2018), so that one classifier serves them and us.
 * Training tools, simulator and boards all cut with this file.
 */
import { BEAT_RATE_HZ, BEAT_SAMPLES } from '@mozaik/protocol/envelope';
import { PeakDetector, REFRACTORY_SAMPLES } from './peak.ts';

/** RR intervals that the running median looks back on. */
export const RR_HISTORY = 9;
/** RR interval assumed before the first one is known: 60 beats per minute. */
export const DEFAULT_RR_SAMPLES = BEAT_RATE_HZ;

/** Power of two above one window and the detector's delay. */
const RING = 256;
/** Windows that can be open at once, given the refractory time. */
const OPEN_WINDOWS = Math.ceil(BEAT_SAMPLES / REFRACTORY_SAMPLES) + 1;
const SAMPLE_MS = 1000 / BEAT_RATE_HZ;

/** Samples of a window that are taken from the signal when the median RR interval is `rr` samples. */
export function validSamples(rr: number): number {
  return Math.min(BEAT_SAMPLES, Math.floor((rr * 6) / 5));
}

/**
 * Quantises `samples[start .. start + valid)` into the heartbeat `out`: each sample x becomes
 * (x - min) / (max - min) * 255, rounded half up; equal samples become 0; the rest of `out` is 0.
 *
 * @param samples integers.
 * @param valid 1 to {@link BEAT_SAMPLES}, see {@link validSamples}.
 * @param out {@link BEAT_SAMPLES} bytes.
 * @throws Error when the range or the output has a wrong length.
 */
export function quantiseBeat(
  samples: ArrayLike<number>,
  start: number,
  valid: number,
  out: Uint8Array,
): void {
  if (
    !(valid >= 1 && valid <= BEAT_SAMPLES && start >= 0 && start + valid <= samples.length) ||
    out.length !== BEAT_SAMPLES
  ) {
    throw new Error('heartbeat: the window is not within the samples');
  }
  let low = samples[start];
  let high = low;
  for (let i = 1; i < valid; i++) {
    const x = samples[start + i];
    if (x < low) {
      low = x;
    } else if (x > high) {
      high = x;
    }
  }
  const range = high - low;
  out.fill(0);
  if (range > 0) {
    for (let i = 0; i < valid; i++) {
      // All intermediate values are integers below 2^42, so the quotient's floor is exact.
      out[i] = Math.floor((510 * (samples[start + i] - low) + range) / (2 * range));
    }
  }
}

/** Running median of the last {@link RR_HISTORY} RR intervals, in samples. */
export class RrMedian {
  private readonly recent = new Int32Array(RR_HISTORY);
  private readonly sorted = new Int32Array(RR_HISTORY);
  private count = 0;

  /** Adds an RR interval. */
  add(rr: number): void {
    this.recent[this.count % RR_HISTORY] = rr;
    this.count++;
  }

  /** The median, of an even number the lower one; {@link DEFAULT_RR_SAMPLES} before any interval. */
  value(): number {
    const n = Math.min(this.count, RR_HISTORY);
    if (n === 0) {
      return DEFAULT_RR_SAMPLES;
    }
    const sorted = this.sorted;
    for (let i = 0; i < n; i++) {
      let j = i;
      for (; j > 0 && sorted[j - 1] > this.recent[i]; j--) {
        sorted[j] = sorted[j - 1];
      }
      sorted[j] = this.recent[i];
    }
    return sorted[(n - 1) >> 1];
  }
}

export interface BeatSegmenterOptions {
  /**
   * Receives each complete window and the time of its R peak. The window is reused: copy it to keep
   * it beyond the call.
   */
  onBeat: (window: Uint8Array, timeMs: number) => void;
  /**
   * False when the R peaks come from elsewhere, through {@link BeatSegmenter.pushPeak}. True when
   * left out.
   */
  detect?: boolean;
}

/** Cuts a stream of samples at 125 Hz into heartbeat windows. Allocates nothing per sample. */
export class BeatSegmenter {
  private readonly onBeat: (window: Uint8Array, timeMs: number) => void;
  private readonly detector: PeakDetector | undefined;
  private readonly rr = new RrMedian();
  private readonly ring = new Int32Array(RING);
  private readonly cut = new Int32Array(BEAT_SAMPLES);
  private readonly window = new Uint8Array(BEAT_SAMPLES);
  /** Number of samples so far; the newest has index count - 1. */
  private count = 0;
  private newestMs = 0;
  private lastPeak = -1;
  // The open windows, oldest first: index and time of the R peak, and samples to take.
  private waiting = 0;
  private readonly peaks = new Float64Array(OPEN_WINDOWS);
  private readonly times = new Float64Array(OPEN_WINDOWS);
  private readonly valids = new Int32Array(OPEN_WINDOWS);

  constructor(options: BeatSegmenterOptions) {
    this.onBeat = options.onBeat;
    this.detector = (options.detect ?? true) ? new PeakDetector() : undefined;
  }

  /** Takes the next sample, an integer of at most 20 bits, and the time at which it was taken. */
  push(sample: number, timeMs: number): void {
    this.ring[this.count % RING] = sample;
    this.count++;
    this.newestMs = timeMs;
    if (this.detector !== undefined) {
      const ago = this.detector.push(sample);
      if (ago >= 0) {
        this.pushPeak(ago);
      }
    }
    while (this.waiting > 0 && this.count >= this.peaks[0] + this.valids[0]) {
      this.closeOldest();
    }
  }

  /** Drops the open windows and learns anew, but keeps the wearer's median RR interval. */
  restart(): void {
    this.waiting = 0;
    this.count = 0;
    this.lastPeak = -1;
    if (this.detector !== undefined) {
      this.detector.restart();
    }
  }

  /**
   * Tells that the sample `ago` samples before the newest was an R peak.
   *
   * @throws Error when it is no longer held, or comes within the refractory time of the last peak.
   */
  pushPeak(ago: number): void {
    const peak = this.count - 1 - ago;
    if (!(ago >= 0 && peak >= 0 && ago < RING - BEAT_SAMPLES)) {
      throw new Error('heartbeat: this R peak is not within the last samples');
    }
    if (this.lastPeak >= 0) {
      if (peak - this.lastPeak < REFRACTORY_SAMPLES) {
        throw new Error('heartbeat: two R peaks within the refractory time');
      }
      this.rr.add(peak - this.lastPeak);
    }
    this.lastPeak = peak;
    this.peaks[this.waiting] = peak;
    this.times[this.waiting] = this.newestMs - ago * SAMPLE_MS;
    this.valids[this.waiting] = validSamples(this.rr.value());
    this.waiting++;
  }

  private closeOldest(): void {
    const peak = this.peaks[0];
    const timeMs = this.times[0];
    const valid = this.valids[0];
    this.waiting--;
    for (let i = 0; i < this.waiting; i++) {
      this.peaks[i] = this.peaks[i + 1];
      this.times[i] = this.times[i + 1];
      this.valids[i] = this.valids[i + 1];
    }
    for (let i = 0; i < valid; i++) {
      this.cut[i] = this.ring[(peak + i) % RING];
    }
    quantiseBeat(this.cut, 0, valid, this.window);
    this.onBeat(this.window, timeMs);
  }
}
