/** Which jobs' results were handled already, remembered in a file of the user (Node). */
import { JOB_ID_BYTES, list, MozaikError, oneOf, struct, toHex } from '@mozaik/protocol';
import { hexBytes } from './answers.ts';
import { parseJson } from './http.ts';
import { readPrivate, replacePrivate } from './private-file.ts';

/** Most jobs that are remembered; the oldest are forgotten first. */
const REMEMBERED_MAX = 100_000;

const schema = struct({
  v: oneOf(1),
  jobs: list(hexBytes(JOB_ID_BYTES), 0, REMEMBERED_MAX),
});

export class SeenJobs {
  readonly #path: string;
  readonly #jobs: Set<string>;

  private constructor(path: string, jobs: Set<string>) {
    this.#path = path;
    this.#jobs = jobs;
  }

  /** @throws MozaikError INPUT_FILE when others may use the file; STATE_CORRUPT */
  static async open(path: string): Promise<SeenJobs> {
    const data = await readPrivate(path);
    if (data === undefined) return new SeenJobs(path, new Set());
    try {
      return new SeenJobs(path, new Set(parseJson(data, schema, path).jobs.map(toHex)));
    } catch (cause) {
      throw new MozaikError('STATE_CORRUPT', path, { cause });
    }
  }

  has(job: Uint8Array): boolean {
    return this.#jobs.has(toHex(job));
  }

  /** Remembers a job; it is on the disk when this resolves. */
  async add(job: Uint8Array): Promise<void> {
    this.#jobs.add(toHex(job));
    for (const oldest of this.#jobs) {
      if (this.#jobs.size <= REMEMBERED_MAX) break;
      this.#jobs.delete(oldest);
    }
    const text = JSON.stringify({ v: 1, jobs: [...this.#jobs] });
    await replacePrivate(this.#path, new TextEncoder().encode(text));
  }
}
