/**
 * Cuts a stream of samples at 125 Hz into heartbeat windows of layout 3, see `context.ts`. A window
 * tells when the next beat came, so it is complete at the next R peak, or when none comes soon.
 */
import { BEAT_RATE_HZ, BEAT_SAMPLES } from '@mozaik/protocol/envelope';
import { BeatContext } from './context.ts';
import { PeakDetector, REFRACTORY_SAMPLES } from './peak.ts';
import { RR_MAX } from './rhythm.ts';
import { AFTER, SEARCH } from './shape.ts';

/** Longest time from an R peak until the detector tells of it, samples. */
const DETECTION_DELAY = 20;
/** Longest time that a window waits for the next R peak, samples. */
const PATIENCE = RR_MAX + DETECTION_DELAY;
/** Power of two above PATIENCE and what a beat reaches back. */
const RING = 256;
/** Windows that can be open at once, given the refractory time. */
const OPEN_WINDOWS = Math.ceil(PATIENCE / REFRACTORY_SAMPLES) + 1;
const SAMPLE_MS = 1000 / BEAT_RATE_HZ;

export interface SegmenterOptions {
  /**
   * Receives each complete window and the time of its R peak. The window is reused: copy it to keep
   * it beyond the call.
   */
  onBeat: (window: Uint8Array, timeMs: number) => void;
  /**
   * False when the R peaks come from elsewhere, through {@link Segmenter.pushPeak}. True when left
   * out.
   */
  detect?: boolean;
}

/** Allocates nothing per sample. */
export class Segmenter {
  private readonly onBeat: (window: Uint8Array, timeMs: number) => void;
  private readonly detector: PeakDetector | undefined;
  private readonly context = new BeatContext();
  private readonly ring = new Int32Array(RING);
  private readonly window = new Uint8Array(BEAT_SAMPLES);
  /** Number of samples so far; the newest has index count - 1. */
  private count = 0;
  private newestMs = 0;
  /** The last R peak that was described, -1 before the first. */
  private described = -1;
  // The open windows, oldest first: index and time of the R peak.
  private open = 0;
  private lastPeak = -1;
  private readonly peaks = new Float64Array(OPEN_WINDOWS);
  private readonly times = new Float64Array(OPEN_WINDOWS);

  constructor(options: SegmenterOptions) {
    this.onBeat = options.onBeat;
    this.detector = (options.detect ?? true) ? new PeakDetector() : undefined;
  }

  /** Takes the next sample, an integer of at most 20 bits, and the time at which it was taken. */
  push(sample: number, timeMs: number): void {
    if (this.count === 0) {
      // What a beat would reach back to, had there been a signal before the first sample.
      this.ring.fill(sample);
    }
    this.ring[this.count % RING] = sample;
    this.count++;
    this.newestMs = timeMs;
    if (this.detector !== undefined) {
      const ago = this.detector.push(sample);
      if (ago >= 0) {
        this.pushPeak(ago);
      }
    }
    this.closeComplete();
  }

  /**
   * Tells that the sample `ago` samples before the newest was an R peak.
   *
   * @throws Error when it is longer ago than a detector's delay, or comes within the refractory time.
   */
  pushPeak(ago: number): void {
    const peak = this.count - 1 - ago;
    if (!(ago >= 0 && peak >= 0 && ago < DETECTION_DELAY)) {
      throw new Error('heartbeat: this R peak is not within the last samples');
    }
    if (this.lastPeak >= 0 && peak - this.lastPeak < REFRACTORY_SAMPLES) {
      throw new Error('heartbeat: two R peaks within the refractory time');
    }
    this.lastPeak = peak;
    this.peaks[this.open] = peak;
    this.times[this.open] = this.newestMs - ago * SAMPLE_MS;
    this.open++;
    this.closeComplete();
  }

  /** Drops the open windows and learns peaks anew; what is known of the wearer's heart stays. */
  restart(): void {
    this.open = 0;
    this.count = 0;
    this.described = -1;
    this.lastPeak = -1;
    if (this.detector !== undefined) {
      this.detector.restart();
    }
  }

  private closeComplete(): void {
    while (this.open > 0) {
      const peak = this.peaks[0];
      const complete = this.count > peak + AFTER + SEARCH;
      const over = this.open > 1 || this.count > peak + PATIENCE;
      if (!complete || !over) {
        return;
      }
      const timeMs = this.times[0];
      const post = this.open > 1 ? this.peaks[1] - peak : RR_MAX;
      this.open--;
      for (let i = 0; i < this.open; i++) {
        this.peaks[i] = this.peaks[i + 1];
        this.times[i] = this.times[i + 1];
      }
      const pre = this.described < 0 ? 0 : peak - this.described;
      this.described = peak;
      this.context.describe(this.ring, peak, RING - 1, pre, post, this.window);
      this.onBeat(this.window, timeMs);
    }
  }
}
