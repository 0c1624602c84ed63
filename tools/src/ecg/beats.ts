/**
 * Cuts annotated records into the windows that a board sends: 125 Hz, from the R peak on, as long as
 * 1.2 median intervals, each quantised to 8 bits by the board's own code.
 */
import { quantiseBeat, RrMedian, validSamples } from '@mozaik/firmware';
import { BEAT_RATE_HZ, BEAT_SAMPLES } from '@mozaik/protocol';
import { classOf, type AamiClass } from './aami.ts';
import type { AnnotatedRecord } from './record.ts';
import { resample } from './resample.ts';

/** Version of the window format that this code and the board produce; stored in model files. */
export const WINDOW_FORMAT = 1;

export interface Beat {
  /** {@link BEAT_SAMPLES} bytes. */
  window: Uint8Array;
  /** R peak, milliseconds after the record's start. */
  timeMs: number;
  label: AamiClass;
}

/**
 * One window per annotated beat of lead 0, but for those that would begin before the record or pass
 * its end.
 * @param shift samples at 125 Hz by which every window begins late (early, if negative): a trainer
 *   uses it to show what a detector gives that misses the peak by a little
 */
export function cutBeats({ record, annotations }: AnnotatedRecord, shift = 0): Beat[] {
  const samples = resample(record.leads[0].samples, record.rateHz, BEAT_RATE_HZ);
  const beats: Beat[] = [];
  const rr = new RrMedian();
  let previous = -1;
  for (const { sample, symbol } of annotations) {
    const label = classOf(symbol);
    const peak = Math.round((sample * BEAT_RATE_HZ) / record.rateHz);
    if (label === undefined || peak <= previous) continue;
    if (previous >= 0) rr.add(peak - previous);
    previous = peak;
    const valid = validSamples(rr.value());
    const start = peak + shift;
    if (start < 0 || start + valid > samples.length) continue;
    const window = new Uint8Array(BEAT_SAMPLES);
    quantiseBeat(samples, start, valid, window);
    beats.push({ window, timeMs: Math.round((sample * 1000) / record.rateHz), label });
  }
  return beats;
}
