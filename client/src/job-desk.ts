/**
 * What nodes that compute under consents have in common, on either path: each job that is announced runs
 * once, jobs of a revoked consent are stopped, and the backend is told of failures.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MozaikError, type ErrorCode } from '@mozaik/protocol';

/** Jobs at once: bounds memory when a backend announces thousands. */
const JOBS_MAX = 16;
/** Announcements of jobs that were handled are remembered up to this many: repeats are ignored. */
const HANDLED_MAX = 4096;
/** Waits before each attempt to report a failure, ms. */
const REPORT_WAITS_MS = [0, 1_000, 5_000];

/** A job that runs; `consent` is known once it has been verified. */
export interface RunningJob {
  /** Ends the job; the reason is the error that it ends with. */
  abort: AbortController;
  /** Hash of the consent, and id of the user who gave it. */
  consent?: { hash: Uint8Array; user: Uint8Array };
}

/** What is worth knowing of a job; nothing secret. */
export interface JobEvent {
  event: 'job-done' | 'job-failed' | 'revoked';
  job?: string;
  code?: ErrorCode;
  detail?: string;
}

export interface JobDeskOptions<Report> {
  /** Computes; what it throws is reported. */
  run: (job: string, running: RunningJob) => Promise<Report>;
  /** Tells the backend. */
  reportFailure: (job: string, code: ErrorCode) => Promise<void>;
  isRevoked: (consent: Uint8Array, user: Uint8Array) => boolean;
  log: (event: JobEvent, report?: Report) => void;
}

export class JobDesk<Report> {
  readonly #options: JobDeskOptions<Report>;
  readonly #running = new Map<string, RunningJob>();
  readonly #handled = new Set<string>();
  #closed = false;

  constructor(options: JobDeskOptions<Report>) {
    this.#options = options;
  }

  /** Takes an announcement over MQTT. What is none, or was handled, is ignored. */
  announce(payload: Uint8Array): void {
    let job: unknown;
    try {
      ({ job } = JSON.parse(new TextDecoder().decode(payload)) as { job: unknown });
    } catch {
      return;
    }
    if (typeof job !== 'string' || !/^[0-9a-f]{32}$/.test(job) || this.#handled.has(job)) return;
    this.#handled.add(job);
    if (this.#handled.size > HANDLED_MAX) {
      const [oldest] = this.#handled;
      this.#handled.delete(oldest);
    }
    void this.#handle(job);
  }

  /** Stops the jobs of consents that are revoked by now. */
  stopRevoked(): void {
    const { isRevoked, log } = this.#options;
    for (const [job, { consent, abort }] of this.#running) {
      if (consent && !abort.signal.aborted && isRevoked(consent.hash, consent.user)) {
        log({ event: 'revoked', job });
        abort.abort(new MozaikError('CONSENT_REVOKED'));
      }
    }
  }

  /** Stops all jobs, and reports none any more. */
  close(reason: string): void {
    this.#closed = true;
    const stopped = new MozaikError('UNAVAILABLE', reason);
    for (const { abort } of this.#running.values()) abort.abort(stopped);
  }

  async #handle(job: string): Promise<void> {
    const { run, log } = this.#options;
    const running: RunningJob = { abort: new AbortController() };
    try {
      if (this.#running.size >= JOBS_MAX) throw new MozaikError('UNAVAILABLE', 'too many jobs');
      this.#running.set(job, running);
      const report = await run(job, running);
      log({ event: 'job-done', job }, report);
    } catch (error) {
      const known = describeError(error);
      log({ event: 'job-failed', job, ...known });
      await this.#report(job, known.code);
    } finally {
      this.#running.delete(job);
    }
  }

  /** Tells the backend of a failure. When no report arrives, its time limit ends the job. */
  async #report(job: string, code: ErrorCode): Promise<void> {
    for (const waitMs of REPORT_WAITS_MS) {
      if (waitMs > 0) await sleep(waitMs, undefined, { ref: false });
      if (this.#closed) return;
      try {
        return await this.#options.reportFailure(job, code);
      } catch (error) {
        // Any other answer would be the same again.
        if (describeError(error).code !== 'UNAVAILABLE') return;
      }
    }
  }
}

/** Code and detail of any error; what is not ours becomes INTERNAL without its text. */
export function describeError(error: unknown): { code: ErrorCode; detail?: string } {
  if (!(error instanceof MozaikError)) return { code: 'INTERNAL' };
  return error.detail === undefined
    ? { code: error.code }
    : { code: error.code, detail: error.detail };
}
