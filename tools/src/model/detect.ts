/**
 * What a board would send of a record: beats where its own detector finds them, matched with the
 * annotated ones as ANSI/AAMI EC57 does, within 150 ms.
 */
import { Segmenter } from '@mozaik/firmware';
import { BEAT_RATE_HZ } from '@mozaik/protocol';
import { classOf } from '../ecg/aami.ts';
import type { Beat } from '../ecg/beats.ts';
import type { AnnotatedRecord } from '../ecg/record.ts';
import { resample } from '../ecg/resample.ts';

/** Farthest that a detected peak may be from the annotated one. */
const MATCH_MS = 150;

export interface Detection {
  /** Detected beats that match an annotation, labelled by it. */
  beats: Beat[];
  /** Annotated beats that no detected one matches. */
  missed: number;
  /** Detected beats that match no annotation. */
  extra: number;
}

/** Runs a board's code over lead 0 of a record. */
export function detectBeats({ record, annotations }: AnnotatedRecord): Detection {
  const found: { window: Uint8Array; timeMs: number }[] = [];
  const segmenter = new Segmenter({
    onBeat: (window, timeMs) => found.push({ window: window.slice(), timeMs }),
  });
  const samples = resample(record.leads[0].samples, record.rateHz, BEAT_RATE_HZ);
  samples.forEach((sample, i) => segmenter.push(sample, (i * 1000) / BEAT_RATE_HZ));
  const annotated = annotations.flatMap(({ sample, symbol }) => {
    const label = classOf(symbol);
    return label ? [{ label, timeMs: (sample * 1000) / record.rateHz }] : [];
  });
  const beats: Beat[] = [];
  let next = 0;
  for (const { window, timeMs } of found) {
    while (next < annotated.length && annotated[next].timeMs < timeMs - MATCH_MS) next++;
    if (next === annotated.length) break;
    // Of two annotations within reach the nearer one is meant.
    const after = annotated[next + 1] as (typeof annotated)[number] | undefined;
    const distance = Math.abs(annotated[next].timeMs - timeMs);
    if (after && Math.abs(after.timeMs - timeMs) < distance) next++;
    if (Math.abs(annotated[next].timeMs - timeMs) > MATCH_MS) continue;
    beats.push({
      window,
      timeMs: Math.round(annotated[next].timeMs),
      label: annotated[next].label,
    });
    next++;
  }
  return { beats, missed: annotated.length - beats.length, extra: found.length - beats.length };
}
