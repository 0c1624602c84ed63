/**
 * Beat-to-beat intervals, for sensors that see heartbeats but no electrocardiogram: the optical ones of
 * Bangle.js and the MAX30102. Their waveform must not be taken for an ECG, so it has a stream and a
 * kind of its own.
 *
 * A sample of this kind is as long as a heartbeat window, 187 bytes:
 *
 * | offset | bytes | meaning                                               |
 * | ------ | ----- | ----------------------------------------------------- |
 * | 0      | 1     | number of intervals, 1 to 93                          |
 * | 1      | 186   | intervals, ms, u16 big-endian each; the rest is 0     |
 *
 * Its time is that of the beat that ends the first interval.
 */
import { BEAT_SAMPLES } from '@mozaik/protocol/envelope';
import type { Sealer } from './sealer.ts';

/** Intervals in one sample: about a minute and a half. */
export const INTERVALS_PER_SAMPLE = 93;
/** A heart has no shorter and no longer intervals; what seems to be one is a fault of the sensor. */
export const MIN_INTERVAL_MS = 250;
export const MAX_INTERVAL_MS = 3000;

export class IntervalRecorder {
  private readonly sealer: Sealer;
  private readonly body = new Uint8Array(BEAT_SAMPLES);
  private count = 0;
  private startMs = 0;

  /** @param sealer of kind `KIND_INTERVALS`. */
  constructor(sealer: Sealer) {
    this.sealer = sealer;
  }

  /**
   * Takes the interval between a beat and the one before; seals a sample when it is full.
   *
   * @param timeMs time of the beat, ms since 1970.
   * @returns false when no heart has such an interval: it is not recorded.
   */
  push(intervalMs: number, timeMs: number): boolean {
    if (!(intervalMs >= MIN_INTERVAL_MS && intervalMs <= MAX_INTERVAL_MS)) {
      return false;
    }
    if (this.count === 0) {
      this.startMs = timeMs;
    }
    const whole = Math.floor(intervalMs);
    const at = 1 + 2 * this.count;
    this.body[at] = whole >> 8;
    this.body[at + 1] = whole;
    this.count++;
    if (this.count === INTERVALS_PER_SAMPLE) {
      this.flush();
    }
    return true;
  }

  /** Seals what there is. */
  flush(): void {
    if (this.count > 0) {
      this.body[0] = this.count;
      this.sealer.beat(this.body, this.startMs);
      this.body.fill(0);
      this.count = 0;
    }
  }
}
