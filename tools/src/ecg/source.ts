/** The two sources of beats, alike to whoever uses them: recorded and synthetic. */
import { cutBeats, type Beat } from './beats.ts';
import { synthesise, type SynthesiserOptions } from './synthesiser.ts';
import { readAnnotatedRecord } from './wfdb.ts';

/**
 * The first `count` beats (all, by default) of a WFDB record.
 * @throws MozaikError INPUT_FILE when the record is missing or malformed
 */
export async function beatsFromRecord(
  dir: string,
  record: string,
  count?: number,
): Promise<Beat[]> {
  return cutBeats(await readAnnotatedRecord(dir, record)).slice(0, count);
}

/** Exactly `options.beats` synthetic beats. @throws RangeError for options outside their range */
export function beatsFromSynthesiser(options: SynthesiserOptions): Beat[] {
  return cutBeats(synthesise(options));
}
