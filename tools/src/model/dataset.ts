/** Labelled beats for training, one group per person so that splits can keep persons apart. */
import { readdir } from 'node:fs/promises';
import { MozaikError } from '@mozaik/protocol';
import { AAMI_CLASSES, PACED_SYMBOL } from '../ecg/aami.ts';
import { cutBeats, type Beat } from '../ecg/beats.ts';
import { seededRandom } from '../ecg/random.ts';
import type { AnnotatedRecord } from '../ecg/record.ts';
import { synthesise } from '../ecg/synthesiser.ts';
import { readAnnotatedRecord } from '../ecg/wfdb.ts';
import { replan, type Rhythm } from './rhythm.ts';

export interface Example {
  window: Uint8Array;
  /** Index of its class. */
  target: number;
  /** Whose heart it is, by name: nobody's beats rule a class because there are many of them. */
  person: string;
}

export interface Person {
  name: string;
  /** Lead 0 as it was recorded: what figures are measured on. */
  beats: Beat[];
  /** What a model may learn from: all leads, and other rhythms of the same heart. */
  examples: Example[];
}

/** Other rhythms that are made of each lead. */
const RHYTHMS: { rhythm: Rhythm; times: number; beats: number }[] = [
  { rhythm: 'fibrillation', times: 5, beats: 300 },
  { rhythm: 'ectopy', times: 2, beats: 400 },
];

const asExamples = (person: string, beats: Beat[]): Example[] =>
  beats.map(({ window, label }) => ({ window, target: AAMI_CLASSES.indexOf(label), person }));

/** A record as it is, for measuring: no examples. */
export const listen = (source: AnnotatedRecord): Person => ({
  name: source.record.name,
  beats: cutBeats(source),
  examples: [],
});

/** A record with all that can be learnt from it; `seed` for the rhythms that are made of it. */
export function personFrom(source: AnnotatedRecord, seed: number): Person {
  const { name, leads } = source.record;
  const person = listen(source);
  const random = seededRandom(seed);
  const others = leads.flatMap((_, lead) => [
    ...(lead > 0 ? [cutBeats(source, { lead })] : []),
    ...RHYTHMS.flatMap(({ rhythm, times, beats }) =>
      Array.from({ length: times }, () => replan(source, lead, rhythm, beats, random)),
    ),
  ]);
  return { ...person, examples: asExamples(name, [...person.beats, ...others.flat()]) };
}

/** Whether a record is left out, as ANSI/AAMI EC57 asks: it has paced beats. */
export const isPaced = ({ annotations }: AnnotatedRecord): boolean =>
  annotations.some(({ symbol }) => symbol === PACED_SYMBOL);

/**
 * All records of a folder, in order of name, but for those with a pacemaker.
 * @throws MozaikError INPUT_FILE when the folder or a record cannot be read
 */
export async function loadRecords(recordsDir: string): Promise<AnnotatedRecord[]> {
  const files = await readdir(recordsDir).catch((error: unknown) => {
    throw new MozaikError('INPUT_FILE', `${recordsDir} cannot be read`, { cause: error });
  });
  const names = files.filter((file) => file.endsWith('.hea')).map((file) => file.slice(0, -4));
  const sources: AnnotatedRecord[] = [];
  for (const name of names.sort()) {
    const source = await readAnnotatedRecord(recordsDir, name);
    if (!isPaced(source)) sources.push(source);
  }
  return sources;
}

/** Synthetic persons with different hearts: consecutive seeds from `firstSeed`, `beats` each. */
export function synthesisePersons(firstSeed: number, persons: number, beats: number): Person[] {
  return Array.from({ length: persons }, (_, i) => {
    const seed = firstSeed + i;
    const person = listen(
      synthesise({
        seed,
        beats,
        heartRate: 50 + ((seed * 37) % 60),
        ventricular: 0.12,
        supraventricular: 0.1,
        noise: 0.005 + 0.005 * (seed % 6),
      }),
    );
    return { ...person, examples: asExamples(person.name, person.beats) };
  });
}
