/**
 * Cuts annotated records into the windows that a board sends: 125 Hz, each beat beside this person's
 * other beats, by the board's own code.
 */
import { BeatContext, CONTEXT_LAYOUT, RR_MAX } from '@mozaik/firmware';
import { BEAT_RATE_HZ, BEAT_SAMPLES } from '@mozaik/protocol';
import { classOf, type AamiClass } from './aami.ts';
import type { AnnotatedRecord } from './record.ts';
import { resample } from './resample.ts';

/** Version of the window format that this code and the board produce; stored in model files. */
export const WINDOW_FORMAT = CONTEXT_LAYOUT;

export interface Beat {
  /** {@link BEAT_SAMPLES} bytes. */
  window: Uint8Array;
  /** R peak, milliseconds after the record's start. */
  timeMs: number;
  label: AamiClass;
}

/** What a beat reaches before and after its R peak, at the most; samples beyond the ends are the ends'. */
const MARGIN = 64;

/** One window per R peak, peaks in ascending order and at 125 Hz. Allocates one window each. */
export function windowsAt(samples: Int16Array, peaks: readonly number[]): Uint8Array[] {
  let size = 1;
  while (size < samples.length + 2 * MARGIN) size *= 2;
  const padded = new Int16Array(size);
  padded.set(samples, MARGIN);
  padded.fill(samples[0], 0, MARGIN);
  padded.fill(samples[samples.length - 1], MARGIN + samples.length);
  const context = new BeatContext();
  return peaks.map((peak, i) => {
    const window = new Uint8Array(BEAT_SAMPLES);
    const pre = i === 0 ? 0 : peak - peaks[i - 1];
    const post = i + 1 < peaks.length ? peaks[i + 1] - peak : RR_MAX;
    context.describe(padded, peak + MARGIN, size - 1, pre, post, window);
    return window;
  });
}

export interface CutOptions {
  /** Index of the lead, 0 by default. */
  lead?: number;
  /** Samples at 125 Hz by which every peak is told late, or early: what a detector may do. */
  shift?: number;
}

/** One window for every annotated beat of a lead. */
export function cutBeats(
  source: AnnotatedRecord,
  { lead = 0, shift = 0 }: CutOptions = {},
): Beat[] {
  const { record, annotations } = source;
  const samples = resample(record.leads[lead].samples, record.rateHz, BEAT_RATE_HZ);
  const kept: { peak: number; timeMs: number; label: AamiClass }[] = [];
  for (const { sample, symbol } of annotations) {
    const label = classOf(symbol);
    if (label === undefined) continue;
    kept.push({
      peak: Math.round((sample * BEAT_RATE_HZ) / record.rateHz) + shift,
      timeMs: Math.round((sample * 1000) / record.rateHz),
      label,
    });
  }
  const windows = windowsAt(
    samples,
    kept.map(({ peak }) => peak),
  );
  return kept.map(({ timeMs, label }, i) => ({ window: windows[i], timeMs, label }));
}
