/**
 * Which jobs' results were handled already, remembered in a file of the user (Node): one id in
 * hexadecimal on each line, appended. A line "up to" a job says that all that were done before it were
 * handled too, and where to look on from.
 */
import { fromHex, JOB_ID_BYTES, MozaikError, toHex } from '@mozaik/protocol';
import { appendPrivate, readPrivate, replacePrivate } from './private-file.ts';

/** Most jobs that are remembered after an opening; the oldest are forgotten first. */
const REMEMBERED_MAX = 100_000;
const UP_TO = 'up to ';
const LINE = new RegExp(`^(?:${UP_TO})?[0-9a-f]{${2 * JOB_ID_BYTES}}$`);

const encode = (lines: string[]) =>
  new TextEncoder().encode(lines.map((line) => `${line}\n`).join(''));

export class SeenJobs {
  readonly #path: string;
  readonly #jobs: Set<string>;
  #upTo: Uint8Array | undefined;

  private constructor(path: string, jobs: Iterable<string>, upTo: string | undefined) {
    this.#path = path;
    this.#jobs = new Set(jobs);
    this.#upTo = upTo === undefined ? undefined : fromHex(upTo, JOB_ID_BYTES);
  }

  /** @throws MozaikError INPUT_FILE when others may use the file; STATE_CORRUPT */
  static async open(path: string): Promise<SeenJobs> {
    const data = await readPrivate(path);
    if (data === undefined) return new SeenJobs(path, [], undefined);
    const lines = new TextDecoder().decode(data).split('\n');
    // What follows the last line break is empty, or was cut short by a crash: that job comes again.
    const torn = lines.pop() !== '';
    if (!lines.every((line) => LINE.test(line))) throw new MozaikError('STATE_CORRUPT', path);
    const marks = lines.filter((line) => line.startsWith(UP_TO)).slice(-1);
    const jobs = lines.filter((line) => !line.startsWith(UP_TO)).slice(-REMEMBERED_MAX);
    const kept = [...jobs, ...marks];
    if (torn || kept.length < lines.length) await replacePrivate(path, encode(kept));
    return new SeenJobs(path, jobs, marks[0]?.slice(UP_TO.length));
  }

  has(job: Uint8Array): boolean {
    return this.#jobs.has(toHex(job));
  }

  /** The last job of which it is known that all that were done before it were seen. */
  get upTo(): Uint8Array | undefined {
    return this.#upTo;
  }

  /** Remembers a job; it is on the disk when this resolves. */
  async add(job: Uint8Array): Promise<void> {
    const id = toHex(job);
    if (this.#jobs.has(id)) return;
    this.#jobs.add(id);
    await appendPrivate(this.#path, encode([id]));
  }

  /** Remembers that a job, and all that were done before it, were seen. */
  async addUpTo(job: Uint8Array): Promise<void> {
    await appendPrivate(this.#path, encode([`${UP_TO}${toHex(job)}`]));
    this.#upTo = job;
  }
}
