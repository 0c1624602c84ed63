/**
 * Which jobs' results were handled already, remembered in a file of the user (Node): one id in
 * hexadecimal on each line, appended.
 */
import { JOB_ID_BYTES, MozaikError, toHex } from '@mozaik/protocol';
import { appendPrivate, readPrivate, replacePrivate } from './private-file.ts';

/** Most jobs that are remembered after an opening; the oldest are forgotten first. */
const REMEMBERED_MAX = 100_000;
const LINE = new RegExp(`^[0-9a-f]{${2 * JOB_ID_BYTES}}$`);

const encode = (lines: string[]) => new TextEncoder().encode(lines.map((id) => `${id}\n`).join(''));

export class SeenJobs {
  readonly #path: string;
  readonly #jobs: Set<string>;

  private constructor(path: string, jobs: Iterable<string>) {
    this.#path = path;
    this.#jobs = new Set(jobs);
  }

  /** @throws MozaikError INPUT_FILE when others may use the file; STATE_CORRUPT */
  static async open(path: string): Promise<SeenJobs> {
    const data = await readPrivate(path);
    if (data === undefined) return new SeenJobs(path, []);
    const lines = new TextDecoder().decode(data).split('\n');
    // What follows the last line break is empty, or was cut short by a crash: that job comes again.
    const torn = lines.pop() !== '';
    if (!lines.every((line) => LINE.test(line))) throw new MozaikError('STATE_CORRUPT', path);
    const kept = lines.slice(-REMEMBERED_MAX);
    if (torn || kept.length < lines.length) await replacePrivate(path, encode(kept));
    return new SeenJobs(path, kept);
  }

  has(job: Uint8Array): boolean {
    return this.#jobs.has(toHex(job));
  }

  /** Remembers a job; it is on the disk when this resolves. */
  async add(job: Uint8Array): Promise<void> {
    const id = toHex(job);
    if (this.#jobs.has(id)) return;
    this.#jobs.add(id);
    await appendPrivate(this.#path, encode([id]));
  }
}
