/** Jobs in the store: records, sequence numbers and results. */
import { randomBytes } from 'node:crypto';
import { JOB_ID_BYTES, MozaikError, PARTY_COUNT, toHex, type Job } from '@mozaik/protocol';
import { JOBS_LIST_MAX } from '../limits.ts';
import type { ConsentRecord, Database, JobRecord } from '../store/database.ts';
import { key, uint16, uint32, uint48, withPrefix } from '../store/keys.ts';
import type { Range, Table, Write } from '../store/table.ts';

const NOTHING = new Uint8Array(0);
const POSITIONS = Array.from({ length: PARTY_COUNT }, (_, i) => Uint8Array.of(i));

export class JobStore {
  readonly #db: Database;
  readonly #now: () => number;
  #lastTime = 0;
  /** By user: the end of what is being stored as done. */
  readonly #finishing = new Map<string, Promise<unknown>>();

  constructor(db: Database, now: () => number) {
    this.#db = db;
    this.#now = now;
  }

  /**
   * A new running job over `sequences`, ascending, and the writes that store it.
   * @param frame on the homomorphic path, the name of the frame with its ciphertexts
   */
  create(
    { hash, consent }: ConsentRecord,
    sequences: number[],
    attempt: number,
    frame?: string,
  ): { job: JobRecord; writes: Write[] } {
    const job: JobRecord = {
      job: randomBytes(JOB_ID_BYTES),
      consent: hash,
      user: consent.user,
      state: 'running',
      attempt,
      samples: sequences.length,
      code: '',
      created: this.#uniqueTime(),
    };
    const writes = [
      this.update(job),
      this.#db.jobSequences.put(job.job, key(...sequences.map(uint32))),
      this.#db.jobsByConsent.put(this.#order(job), NOTHING),
    ];
    if (frame !== undefined) {
      writes.push(this.#db.jobFrames.put(job.job, Buffer.from(frame, 'utf8')));
    }
    if (attempt === 1) {
      for (const sequence of sequences) {
        writes.push(this.#db.assigned.put(key(hash, uint32(sequence)), NOTHING));
      }
    }
    return { job, writes };
  }

  /** The time, but never the same twice: it orders the jobs of a consent. */
  #uniqueTime(): number {
    this.#lastTime = Math.max(this.#now(), this.#lastTime + 1);
    return this.#lastTime;
  }

  /** Those of `sequences` that no job has had. */
  async unassigned({ hash }: ConsentRecord, sequences: number[]): Promise<number[]> {
    const keys = sequences.map((sequence) => key(hash, uint32(sequence)));
    const assigned = await this.#db.assigned.getMany(keys);
    return sequences.filter((_, i) => assigned[i] === undefined);
  }

  update(job: JobRecord): Write {
    return this.#db.jobs.put(job.job, job);
  }

  /** @throws MozaikError NOT_FOUND */
  async get(id: Uint8Array): Promise<JobRecord> {
    const job = await this.#db.jobs.get(id);
    if (job === undefined) throw new MozaikError('NOT_FOUND', 'job');
    return job;
  }

  /** What the parties are asked to do. */
  async request({ job, consent }: JobRecord): Promise<Job> {
    const packed = Buffer.from((await this.#db.jobSequences.get(job))!);
    const sequences: number[] = [];
    for (let at = 0; at < packed.length; at += 4) sequences.push(packed.readUInt32BE(at));
    return { v: 1, job, consent, sequences };
  }

  /** Name of the frame with a job's ciphertexts, while there is one. */
  async frameOf({ job }: JobRecord): Promise<string | undefined> {
    const name = await this.#db.jobFrames.get(job);
    return name === undefined ? undefined : Buffer.from(name).toString('utf8');
  }

  deleteFrame({ job }: JobRecord): Write {
    return this.#db.jobFrames.delete(job);
  }

  /** All jobs that have a frame, and its name. */
  async frames(): Promise<{ job: JobRecord | undefined; name: string }[]> {
    const frames = [];
    for await (const [id, name] of this.#db.jobFrames.entries({})) {
      frames.push({ job: await this.#db.jobs.get(id), name: Buffer.from(name).toString('utf8') });
    }
    return frames;
  }

  /**
   * A page of a user's jobs, or of those of one consent, oldest first within a consent.
   * @param after the last job of the page before
   */
  async list(user: Uint8Array, consent?: Uint8Array, after?: JobRecord): Promise<JobRecord[]> {
    const { gte, lte } = consent === undefined ? withPrefix(user) : withPrefix(user, consent);
    const limit = JOBS_LIST_MAX;
    const range = after ? { gt: this.#order(after), lte, limit } : { gte, lte, limit };
    return this.#at(this.#db.jobsByConsent, range);
  }

  /**
   * Stores that a job is done, with what else `writes` has: behind all of its user's jobs that were done
   * before. Those of one user are stored one after the other, so that nobody can see one before another
   * that comes earlier in the order.
   */
  async finish(job: JobRecord, writes: Write[]): Promise<JobRecord> {
    const done: JobRecord = { ...job, state: 'done' };
    const user = toHex(job.user);
    const turn = (this.#finishing.get(user) ?? Promise.resolve()).then(async () => {
      const place = (await this.#lastPlace(job.user)) + 1;
      await this.#db.write([...writes, this.update(done), ...this.#placeDone(done, place)]);
    });
    const end = turn.catch(() => undefined);
    this.#finishing.set(user, end);
    await end;
    if (this.#finishing.get(user) === end) this.#finishing.delete(user);
    await turn;
    return done;
  }

  /**
   * A page of a user's jobs that are done, in the order in which they were.
   * @param after the last job that is known already
   * @throws MozaikError CONFLICT when `after` is not done
   */
  async listDone(user: Uint8Array, after?: JobRecord): Promise<JobRecord[]> {
    const { gte, lte } = withPrefix(user);
    const limit = JOBS_LIST_MAX;
    if (after === undefined) return this.#at(this.#db.doneJobs, { gte, lte, limit });
    const place = await this.#db.donePlaces.get(after.job);
    if (place === undefined) throw new MozaikError('CONFLICT', `the job is ${after.state}`);
    return this.#at(this.#db.doneJobs, { gt: key(user, place, after.job), lte, limit });
  }

  /** Gives jobs that were done before there was this order their places: as they were made. */
  async placeOlder(): Promise<void> {
    for await (const _ of this.#db.donePlaces.entries({ limit: 1 })) return;
    const done: JobRecord[] = [];
    for await (const [, job] of this.#db.jobs.entries({})) if (job.state === 'done') done.push(job);
    done.sort((x, y) => x.created - y.created);
    await this.#db.write(done.flatMap((job, n) => this.#placeDone(job, n + 1)));
  }

  #placeDone({ user, job }: JobRecord, place: number): Write[] {
    return [
      this.#db.doneJobs.put(key(user, uint48(place), job), NOTHING),
      this.#db.donePlaces.put(job, uint48(place)),
    ];
  }

  /** The place of the user's job that was done last; 0 when there is none. */
  async #lastPlace(user: Uint8Array): Promise<number> {
    const newest = { ...withPrefix(user), reverse: true, limit: 1 };
    for await (const [at] of this.#db.doneJobs.entries(newest)) {
      return Buffer.from(at).readUIntBE(user.length, 6);
    }
    return 0;
  }

  /** The last job that was made for a consent. */
  async latest({ hash, consent }: ConsentRecord): Promise<JobRecord | undefined> {
    const range = withPrefix(consent.user, hash);
    return (await this.#at(this.#db.jobsByConsent, { ...range, reverse: true, limit: 1 }))[0];
  }

  /** The jobs whose ids end the keys of an index. */
  async #at(index: Table<Uint8Array>, range: Range): Promise<JobRecord[]> {
    const ids: Uint8Array[] = [];
    for await (const [at] of index.entries(range)) ids.push(at.slice(-JOB_ID_BYTES));
    const jobs = await this.#db.jobs.getMany(ids);
    return jobs.filter((job) => job !== undefined);
  }

  #order({ user, consent, created, attempt, job }: JobRecord): Uint8Array {
    return key(user, consent, uint48(created), uint16(attempt), job);
  }

  /** Result submissions by position, `undefined` for a party that has not delivered. */
  results({ job }: JobRecord, { consent }: ConsentRecord): Promise<(Uint8Array | undefined)[]> {
    const positions = POSITIONS.slice(0, consent.parties.length);
    return this.#db.results.getMany(positions.map((position) => key(job, position)));
  }

  putResult({ job }: JobRecord, position: number, submission: Uint8Array): Write {
    return this.#db.results.put(key(job, POSITIONS[position]), submission);
  }

  /** A job that the end of its consent stops, and the writes that store this. */
  cancel(job: JobRecord, consentState: 'revoked' | 'expired'): { job: JobRecord; writes: Write[] } {
    const code = consentState === 'revoked' ? 'CONSENT_REVOKED' : 'CONSENT_EXPIRED';
    const cancelled: JobRecord = { ...job, state: 'cancelled', code };
    return { job: cancelled, writes: [this.update(cancelled), ...this.deleteResults(job)] };
  }

  /** Partial results of a job that did not end well are of no use to anybody. */
  deleteResults({ job }: JobRecord): Write[] {
    return POSITIONS.map((position) => this.#db.results.delete(key(job, position)));
  }
}
