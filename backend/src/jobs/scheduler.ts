/**
 * The scheduler: turns consents and arriving samples into jobs, and follows each job to its end. Every
 * change is on the disk before anybody is told, so that a restart goes on from the store.
 */
import type { Readable } from 'node:stream';
import {
  decodeCanonical,
  equalBytes,
  ERRORS,
  JOB_MAX_SAMPLES,
  covers,
  MozaikError,
  REQUEST_MAX_BEATS,
  resultSubmission,
  toHex,
  TOPICS,
  type ErrorCode,
  type Sample,
} from '@mozaik/protocol';
import type { Principal } from '../auth/principal.ts';
import type { Config } from '../config.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { ConsentRecord, ConsentState, Database, JobRecord } from '../store/database.ts';
import { key, withPrefix } from '../store/keys.ts';
import type { SampleStore } from '../store/samples.ts';
import type { Write } from '../store/table.ts';
import { Backlog, streamOf } from './backlog.ts';
import type { Ciphertexts } from './ciphertexts.ts';
import { isHomomorphic, positionOf, type Consents } from './consents.ts';
import type { JobStore } from './job-store.ts';

/** A machine or a connection was gone: it will be back. */
const ABSENCES: ReadonlySet<ErrorCode> = new Set(['PEER_LOST', 'UNAVAILABLE']);
/** Failures that another attempt may mend. Any other is a failed check, and those are never retried. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set([...ABSENCES, 'INTERNAL']);
/** Most attempts that a job record can count. */
const ATTEMPTS_MAX = 0xffff;

/** Publishes to whoever listens now. */
export type Publish = (topic: string, payload: string | Uint8Array) => void;

/** An active consent at work. */
interface Run {
  record: ConsentRecord;
  backlog: Backlog;
  /** In force, and its backlog is read. */
  started: boolean;
  ended: boolean;
  job: JobRecord | undefined;
  /** Whether the parties were told of the job: a retry waits first. */
  announced: boolean;
  /** What happens next if nothing else does: a micro-batch, an announcement or a time-out. */
  timer: NodeJS.Timeout | undefined;
  /** Changes of one consent happen one after another. */
  turn: Promise<unknown>;
}

const streamKey = (user: string, device: string, stream: number) => `${user}/${device}/${stream}`;

export class Scheduler {
  readonly #db: Database;
  readonly #samples: SampleStore;
  readonly #consents: Consents;
  readonly #jobs: JobStore;
  readonly #ciphertexts: Ciphertexts;
  readonly #config: Config;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #publish: Publish;
  /** By consent hash. */
  readonly #runs = new Map<string, Run>();
  readonly #byStream = new Map<string, Set<Run>>();
  #ticker: NodeJS.Timeout | undefined;
  #tick: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    config: Config,
    services: {
      db: Database;
      samples: SampleStore;
      consents: Consents;
      jobs: JobStore;
      ciphertexts: Ciphertexts;
      metrics: Metrics;
      log: Log;
    },
    publish: Publish,
  ) {
    this.#config = config;
    this.#db = services.db;
    this.#samples = services.samples;
    this.#consents = services.consents;
    this.#jobs = services.jobs;
    this.#ciphertexts = services.ciphertexts;
    this.#metrics = services.metrics;
    this.#log = services.log;
    this.#publish = publish;
  }

  /** Takes up what the last run of the backend left: expiries first, then active consents. */
  async start(): Promise<void> {
    await this.#db.eraseShares([]);
    await this.#ciphertexts.open();
    await this.#jobs.placeOlder();
    await this.#sweep();
    for (const record of await this.#consents.expiring(2 ** 48 - 1)) {
      if (record.state === 'active') await this.activate(record);
    }
    const { tickMs } = this.#config.jobs;
    this.#ticker = setInterval(() => {
      this.#tick = this.#tick.then(() => this.#onTick());
    }, tickMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#ticker);
    await this.#tick;
    for (const run of this.#runs.values()) clearTimeout(run.timer);
    await Promise.allSettled([...this.#runs.values()].map(({ turn }) => turn));
    for (const run of this.#runs.values()) clearTimeout(run.timer);
  }

  /** Puts an active consent to work, now or when it comes into force. */
  async activate(record: ConsentRecord): Promise<void> {
    const name = toHex(record.hash);
    if (this.#runs.has(name)) return;
    const run: Run = {
      record,
      backlog: new Backlog(this.#db, this.#samples, record),
      started: false,
      ended: false,
      job: undefined,
      announced: false,
      timer: undefined,
      turn: Promise.resolve(),
    };
    this.#runs.set(name, run);
    const { user, device, stream } = streamOf(record);
    const at = streamKey(user, device, stream);
    this.#byStream.set(at, (this.#byStream.get(at) ?? new Set()).add(run));
    await this.#exclusive(run, () => this.#begin(run));
  }

  /** A new sample is in the store. */
  sampleStored(user: string, device: string, sample: Sample): void {
    const runs = this.#byStream.get(streamKey(user, device, sample.stream));
    for (const run of runs ?? []) {
      const { consent } = run.record;
      if (consent.mode !== 'streaming' || !covers(consent, sample)) continue;
      run.backlog.add(sample.sequence);
      if (run.started && run.job === undefined) this.#armBatch(run);
    }
  }

  /**
   * Revokes a consent: its shares are erased, its job is cancelled, its parties are told.
   * @param signed the signed revocation, already verified
   */
  async revoke(hash: Uint8Array, signed: Uint8Array): Promise<void> {
    const run = this.#runs.get(toHex(hash));
    if (run === undefined) return this.#revokeIdle(await this.#consents.get(hash), signed);
    await this.#exclusive(run, async () => {
      // It may have ended while this waited for its turn.
      if (run.ended) await this.#revokeIdle(await this.#consents.get(hash), signed);
      else await this.#end(run, 'revoked', signed);
    });
  }

  async #revokeIdle(record: ConsentRecord, signed: Uint8Array): Promise<void> {
    const state = this.#consents.stateOf(record);
    if (state === 'revoked' || state === 'expired') return;
    await this.#endIdle(record, 'revoked', this.#keepRevocation(record, signed));
    this.#tellRevoked(record, signed);
  }

  /**
   * Samples of a homomorphic consent that no job has had, ascending: what the user's agent has to
   * encrypt next.
   */
  pending(record: ConsentRecord): Promise<number[]> {
    return this.#withRun(record, async (run) => {
      if (!run?.started || !isHomomorphic(record.consent)) return [];
      await run.backlog.fill();
      return this.#jobs.unassigned(record, run.backlog.lowest(REQUEST_MAX_BEATS));
    });
  }

  /**
   * Takes a request of the user's agent and starts its job: one at a time for a consent.
   * @throws MozaikError CONFLICT while another runs, CONSENT_REVOKED, CONSENT_EXPIRED, and as
   *   {@link Ciphertexts.receiveRequest}
   */
  async submitRequest(record: ConsentRecord, source: Readable, length: number): Promise<JobRecord> {
    const admit = (run = this.#runs.get(toHex(record.hash))) => {
      this.#consents.checkUsable(run?.record ?? record);
      if (!run?.started || run.ended)
        throw new MozaikError('CONFLICT', 'the consent is not active');
      if (run.job) throw new MozaikError('CONFLICT', 'a job of this consent is running');
      return run;
    };
    const received = await this.#ciphertexts.receiveRequest(record, source, length, admit);
    try {
      return await this.#withRun(record, async (active) => {
        if (!active) this.#consents.checkUsable(await this.#consents.get(record.hash));
        const run = admit(active);
        // Again: two that came at once must not both have the same samples.
        await this.#ciphertexts.check(record, received.value);
        const { sequences } = received.value;
        const frame = await this.#ciphertexts.keep(received);
        const { job, writes } = this.#jobs.create(run.record, sequences, 1, frame);
        await this.#db.write(writes);
        run.backlog.remove(sequences);
        this.#metrics.count('jobs_started');
        run.job = job;
        this.#announce(run, job);
        return job;
      });
    } catch (error) {
      await received.drop();
      throw error;
    }
  }

  /**
   * Takes a party's result. The same again is fine.
   * @throws MozaikError ENCODING_INVALID, NOT_FOUND, CONFLICT, CONSENT_REVOKED, CONSENT_EXPIRED
   */
  async putResult(principal: Principal, id: Uint8Array, submission: Uint8Array): Promise<void> {
    const { sealed } = decodeCanonical(submission, resultSubmission, 'result submission');
    const { job, record } = await this.jobFor(principal, id);
    const position = positionOf(record.consent, principal.id);
    await this.#withRun(record, async (run) => {
      const results = await this.#jobs.results(job, record);
      const present = results[position];
      if (present !== undefined) {
        const kept = decodeCanonical(present, resultSubmission, 'result submission').sealed;
        if (equalBytes(kept, sealed)) return;
        throw new MozaikError('CONFLICT', 'another result of this party is stored');
      }
      if (run?.job === undefined || !equalBytes(run.job.job, id)) {
        const { state, code } = await this.#jobs.get(id);
        if (state === 'cancelled' && code !== '') throw new MozaikError(code);
        throw new MozaikError('CONFLICT', `the job is ${state}`);
      }
      this.#consents.checkUsable(run.record);
      const writes = [this.#jobs.putResult(job, position, submission)];
      const isLast = results.every((result, i) => result !== undefined || i === position);
      if (!isLast) return this.#db.write(writes);
      const done = await this.#jobs.finish(run.job, writes);
      this.#metrics.count('jobs_done');
      this.#tellUser(done);
      await this.#ciphertexts.dropRequest(run.job);
      this.#clearJob(run);
      await this.#next(run);
    });
  }

  /** Takes a party's report that a job failed. A report on a job that has ended changes nothing. */
  async reportFailure(principal: Principal, id: Uint8Array, code: ErrorCode): Promise<void> {
    const { record } = await this.jobFor(principal, id);
    await this.#withRun(record, async (run) => {
      if (run?.job && equalBytes(run.job.job, id)) await this.#fail(run, code);
    });
  }

  /** Tells a party that has just subscribed what it missed. */
  async partySubscribed(party: string, topic: string): Promise<void> {
    if (topic === TOPICS.partyRevocations(party)) {
      for await (const [, signed] of this.#db.revocations.entries(withPrefix(party))) {
        this.#publish(topic, signed);
      }
      return;
    }
    for (const { job, announced, record } of this.#runs.values()) {
      if (job && announced && positionOf(record.consent, party) >= 0) {
        this.#publish(topic, JSON.stringify({ job: toHex(job.job) }));
      }
    }
  }

  /** A job that the caller is part of. @throws MozaikError NOT_FOUND */
  async jobFor(
    principal: Principal,
    id: Uint8Array,
  ): Promise<{ job: JobRecord; record: ConsentRecord }> {
    const job = await this.#jobs.get(id);
    return { job, record: await this.#consents.getFor(principal, job.consent) };
  }

  #exclusive<T>(run: Run, change: () => Promise<T>): Promise<T> {
    const turn = run.turn.then(change);
    run.turn = turn.catch(() => undefined);
    return turn;
  }

  /** Runs a change in the consent's turn if it is active, else at once. */
  #withRun<T>(record: ConsentRecord, change: (run: Run | undefined) => Promise<T>): Promise<T> {
    const run = this.#runs.get(toHex(record.hash));
    if (run === undefined) return change(undefined);
    return this.#exclusive(run, () => change(run.ended ? undefined : run));
  }

  /** Does something later, in the consent's turn, instead of what was planned before. */
  #later(run: Run, ms: number, change: () => Promise<void> | void): void {
    clearTimeout(run.timer);
    run.timer = setTimeout(() => {
      run.timer = undefined;
      void this.#exclusive(run, async () => {
        if (!run.ended && !this.#closed) await change();
      }).catch((error: unknown) => this.#logFailure(error));
    }, ms);
  }

  #logFailure(error: unknown): void {
    this.#log.error({ code: 'INTERNAL', error: String(error) }, 'the scheduler failed');
  }

  async #onTick(): Promise<void> {
    try {
      await this.#sweep();
      for (const run of this.#runs.values()) {
        if (!run.started) await this.#exclusive(run, () => this.#begin(run));
      }
    } catch (error) {
      this.#logFailure(error);
    }
  }

  /** Ends what has expired. */
  async #sweep(): Promise<void> {
    for (const record of await this.#consents.expiring(this.#config.now())) {
      await this.#withRun(record, async (run) => {
        if (run) await this.#end(run, 'expired');
        else if (record.state === 'active') await this.#endIdle(record, 'expired', []);
        await this.#consents.forget(record);
      });
    }
  }

  /** Ends a consent that is not at work, and the job that an earlier run of the backend left. */
  async #endIdle(
    record: ConsentRecord,
    state: 'expired' | 'revoked',
    writes: Write[],
  ): Promise<void> {
    const latest = await this.#jobs.latest(record);
    const left = latest?.state === 'running' ? this.#jobs.cancel(latest, state) : undefined;
    await this.#consents.end(record, state, [...writes, ...(left?.writes ?? [])]);
    await this.#consents.eraseShares(record);
    await this.#dropCiphertexts(record, left?.job);
  }

  async #begin(run: Run): Promise<void> {
    const { consent } = run.record;
    if (run.started || run.ended || this.#closed || this.#config.now() < consent.notBefore) return;
    const latest = await this.#jobs.latest(run.record);
    run.started = true;
    if (latest?.state === 'running') {
      // The parties may have given up while the backend was away: a fresh session, a fresh id.
      run.job = latest;
      await this.#fail(run, 'UNAVAILABLE');
    } else if (latest?.state === 'failed' && consent.mode === 'once') {
      await this.#end(run, 'finished');
    } else {
      await this.#next(run);
    }
  }

  /** Starts the next job if there is something to do, or ends a one-off that has nothing left. */
  async #next(run: Run): Promise<void> {
    if (run.ended || run.job || this.#closed) return;
    await run.backlog.fill();
    if (run.record.consent.mode === 'streaming') {
      this.#armBatch(run);
    } else if (run.backlog.size > 0) {
      await this.#startJob(run, JOB_MAX_SAMPLES);
    } else {
      await this.#end(run, 'finished');
    }
  }

  /** Plans the next micro-batch: at once when it is full, else after a short wait for more. */
  #armBatch(run: Run): void {
    const { microBatchDelayMs, microBatchMax } = this.#config.jobs;
    const { size } = run.backlog;
    if (size === 0 || (run.timer && size !== microBatchMax)) return;
    this.#later(run, size >= microBatchMax ? 0 : microBatchDelayMs, async () => {
      if (run.job === undefined) await this.#startJob(run, microBatchMax);
    });
  }

  /** Starts a job at the parties; a job of a server starts when the user's agent sends ciphertexts. */
  async #startJob(run: Run, limit: number): Promise<void> {
    const { hash, consent } = run.record;
    if (!isHomomorphic(consent)) return this.#launch(run, limit);
    const topic = TOPICS.userPending(toHex(consent.user));
    this.#publish(topic, JSON.stringify({ consent: toHex(hash) }));
  }

  async #launch(run: Run, limit: number): Promise<void> {
    if (this.#config.now() >= run.record.consent.expires) return;
    // Asked again: a sample may be announced just after the backlog was read from the store.
    const sequences = await this.#jobs.unassigned(run.record, run.backlog.take(limit));
    if (sequences.length === 0) return this.#next(run);
    const { job, writes } = this.#jobs.create(run.record, sequences, 1);
    await this.#db.write(writes);
    this.#metrics.count('jobs_started');
    run.job = job;
    this.#announce(run, job);
  }

  #announce(run: Run, job: JobRecord): void {
    run.announced = true;
    for (const { id } of run.record.consent.parties) {
      this.#publish(TOPICS.partyJobs(toHex(id)), JSON.stringify({ job: toHex(job.job) }));
    }
    const { timeoutMs, timeoutPerSampleMs } = this.#config.jobs;
    const limit = timeoutMs + timeoutPerSampleMs * job.samples;
    this.#later(run, limit, async () => {
      if (run.job === job) await this.#fail(run, 'PEER_LOST');
    });
  }

  #clearJob(run: Run): void {
    clearTimeout(run.timer);
    run.timer = undefined;
    run.job = undefined;
    run.announced = false;
  }

  /** Ends the running job as failed, and plans another attempt where that can help. */
  async #fail(run: Run, code: ErrorCode): Promise<void> {
    const failed: JobRecord = { ...run.job!, state: 'failed', code };
    const { retryBackoffMs, retryBackoffMaxMs } = this.#config.jobs;
    const writes = [this.#jobs.update(failed), ...this.#jobs.deleteResults(failed)];
    const isRetried = RETRYABLE.has(code) && failed.attempt < this.#attemptsAt(run, code);
    this.#log.warn({ code, job: toHex(failed.job), attempt: failed.attempt }, 'job failed');
    this.#metrics.count('jobs_failed');
    if (isRetried) {
      const { sequences } = await this.#jobs.request(failed);
      const frame = await this.#jobs.frameOf(failed);
      const retry = this.#jobs.create(run.record, sequences, failed.attempt + 1, frame);
      // In one write, so that a crash between the two cannot lose the samples.
      await this.#db.write([...writes, this.#jobs.deleteFrame(failed), ...retry.writes]);
      this.#metrics.count('jobs_started');
      this.#clearJob(run);
      run.job = retry.job;
      const wait = Math.min(retryBackoffMs * 2 ** (failed.attempt - 1), retryBackoffMaxMs);
      this.#later(run, wait, () => {
        if (run.job === retry.job) this.#announce(run, retry.job);
      });
      return;
    }
    await this.#db.write(writes);
    await this.#ciphertexts.dropRequest(failed);
    this.#clearJob(run);
    this.#tellUser(failed);
    if (run.record.consent.mode === 'once') await this.#end(run, 'finished');
    else await this.#next(run);
  }

  /** A stream waits for a machine that is gone: beats of an outage are analysed after it. */
  #attemptsAt({ record }: Run, code: ErrorCode): number {
    const waits = record.consent.mode === 'streaming' && ABSENCES.has(code);
    return waits ? ATTEMPTS_MAX : this.#config.jobs.maxAttempts;
  }

  /** Ends a consent. */
  async #end(
    run: Run,
    state: Exclude<ConsentState, 'active'>,
    revocation?: Uint8Array,
  ): Promise<void> {
    const { record, job } = run;
    run.ended = true;
    this.#clearJob(run);
    const writes = revocation ? this.#keepRevocation(record, revocation) : [];
    // A one-off that is finished has no job any more.
    const cancelled = job && state !== 'finished' ? this.#jobs.cancel(job, state) : undefined;
    if (cancelled) writes.push(...cancelled.writes);
    await this.#consents.end(record, state, writes);
    this.#forgetRun(run);
    if (revocation) this.#tellRevoked(record, revocation);
    if (cancelled) {
      this.#metrics.count('jobs_cancelled');
      this.#tellUser(cancelled.job);
    }
    await this.#consents.eraseShares(record);
    await this.#dropCiphertexts(record, cancelled?.job);
  }

  /** Deletes what the homomorphic path kept of a consent that has ended. */
  async #dropCiphertexts({ consent }: ConsentRecord, job: JobRecord | undefined): Promise<void> {
    if (!isHomomorphic(consent)) return;
    if (job) await this.#ciphertexts.dropRequest(job);
    await this.#ciphertexts.dropKeys(toHex(consent.user));
  }

  #forgetRun(run: Run): void {
    this.#runs.delete(toHex(run.record.hash));
    const { user, device, stream } = streamOf(run.record);
    const at = streamKey(user, device, stream);
    const runs = this.#byStream.get(at);
    runs?.delete(run);
    if (runs?.size === 0) this.#byStream.delete(at);
  }

  #keepRevocation({ hash, consent }: ConsentRecord, signed: Uint8Array) {
    return consent.parties.map(({ id }) => this.#db.revocations.put(key(id, hash), signed));
  }

  #tellRevoked({ consent }: ConsentRecord, signed: Uint8Array): void {
    for (const { id } of consent.parties) {
      this.#publish(TOPICS.partyRevocations(toHex(id)), signed);
    }
  }

  #tellUser(job: JobRecord): void {
    this.#publish(TOPICS.userJobs(toHex(job.user)), JSON.stringify(describeJob(job)));
  }
}

/** A job as the API shows it. */
export function describeJob(job: JobRecord) {
  const { state, attempt, samples, code } = job;
  const description = { job: toHex(job.job), consent: toHex(job.consent), state, attempt, samples };
  return code in ERRORS ? { ...description, code } : description;
}
