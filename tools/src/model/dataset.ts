/** Labelled beats for training, one group per person so that splits can keep persons apart. */
import { readdir } from 'node:fs/promises';
import { MozaikError } from '@mozaik/protocol';
import { AAMI_CLASSES, PACED_SYMBOL } from '../ecg/aami.ts';
import { cutBeats, type Beat } from '../ecg/beats.ts';
import type { AnnotatedRecord } from '../ecg/record.ts';
import { synthesise } from '../ecg/synthesiser.ts';
import { readAnnotatedRecord } from '../ecg/wfdb.ts';

/** One beat as a detector may cut it: the same beat, begun a little early or late. */
export interface Example {
  windows: Uint8Array[];
  /** Index of its class. */
  target: number;
}

export interface Person {
  name: string;
  /** Cut exactly at the annotations; `examples[i]` is the same beat. */
  beats: Beat[];
  examples: Example[];
}

/**
 * Where windows begin after the annotated peak, samples at 125 Hz. The board's detector finds the
 * peak of most beats of the MIT-BIH database within these.
 */
const SHIFTS = [0, -1, 1, 2];

/** Cuts a record at every shift; beats that do not fit at one of them are left out. */
export function personFrom(source: AnnotatedRecord): Person {
  const [exact, ...shifted] = SHIFTS.map((shift) => cutBeats(source, shift));
  const windowsAt = shifted.map(
    (list) => new Map(list.map(({ timeMs, window }) => [timeMs, window])),
  );
  const beats = exact.filter(({ timeMs }) => windowsAt.every((windows) => windows.has(timeMs)));
  const examples = beats.map(({ window, timeMs, label }) => ({
    windows: [window, ...windowsAt.flatMap((windows) => windows.get(timeMs) ?? [])],
    target: AAMI_CLASSES.indexOf(label),
  }));
  return { name: source.record.name, beats, examples };
}

/**
 * All records of a folder, in order of name, but for those with a pacemaker.
 * @throws MozaikError INPUT_FILE when the folder or a record cannot be read
 */
export async function loadPersons(recordsDir: string): Promise<Person[]> {
  const files = await readdir(recordsDir).catch((error: unknown) => {
    throw new MozaikError('INPUT_FILE', `${recordsDir} cannot be read`, { cause: error });
  });
  const names = files.filter((file) => file.endsWith('.hea')).map((file) => file.slice(0, -4));
  const persons: Person[] = [];
  for (const name of names.sort()) {
    const source = await readAnnotatedRecord(recordsDir, name);
    const paced = source.annotations.some(({ symbol }) => symbol === PACED_SYMBOL);
    if (!paced) persons.push(personFrom(source));
  }
  return persons;
}

/** Synthetic persons with different hearts: consecutive seeds from `firstSeed`, `beats` each. */
export function synthesisePersons(firstSeed: number, persons: number, beats: number): Person[] {
  return Array.from({ length: persons }, (_, i) => {
    const seed = firstSeed + i;
    return personFrom(
      synthesise({
        seed,
        beats,
        heartRate: 50 + ((seed * 37) % 60),
        ventricular: 0.12,
        supraventricular: 0.1,
        noise: 0.005 + 0.005 * (seed % 6),
      }),
    );
  });
}
