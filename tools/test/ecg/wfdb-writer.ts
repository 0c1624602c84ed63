/** Writes records for tests, straight from the format descriptions and apart from the reader. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnnotatedRecord, Annotation } from '../../src/ecg/record.ts';

/** Format 212 of one stream of samples. */
export function encode212(samples: ArrayLike<number>): Uint8Array {
  const bytes: number[] = [];
  for (let i = 0; i < samples.length; i += 2) {
    const first = samples[i] & 0xfff;
    const second = i + 1 < samples.length ? samples[i + 1] & 0xfff : 0;
    bytes.push(first & 0xff, (first >> 8) | ((second >> 8) << 4));
    if (i + 1 < samples.length) bytes.push(second & 0xff);
  }
  return Uint8Array.from(bytes);
}

export function encodeAnnotations(annotations: Annotation[]): Uint8Array {
  const words: number[] = [];
  let last = 0;
  for (const { sample, code } of annotations) {
    const interval = sample - last;
    last = sample;
    if (interval < 1024) words.push((code << 10) | interval);
    else words.push(59 << 10, interval >>> 16, interval & 0xffff, code << 10);
  }
  words.push(0);
  return Uint8Array.from(words.flatMap((word) => [word & 0xff, word >> 8]));
}

/** A new folder with these single-lead records. */
export async function writeRecords(sources: AnnotatedRecord[]): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'mozaik-wfdb-'));
  for (const { record, annotations } of sources) {
    const { name, rateHz } = record;
    const { samples, gain, baseline, description } = record.leads[0];
    const sum = samples.reduce((a, b) => a + b, 0) & 0xffff;
    const header = [
      `${name} 1 ${rateHz} ${samples.length}`,
      `${name}.dat 212 ${gain} 11 ${baseline} ${samples[0]} ${sum} 0 ${description}`,
    ];
    await writeFile(join(dir, `${name}.hea`), `${header.join('\n')}\n`);
    await writeFile(join(dir, `${name}.dat`), encode212(samples));
    await writeFile(join(dir, `${name}.atr`), encodeAnnotations(annotations));
  }
  return dir;
}
