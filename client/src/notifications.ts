/**
 * Results as they are done (Node): MQTT says that there is one, HTTP fetches it. After every connect
 * the list of jobs is read from where all before were seen, so that a notification that was missed is
 * made up for.
 */
import { MozaikError, TOPICS, toHex, type ErrorCode } from '@mozaik/protocol';
import { jobNotice, type JobEntry } from './answers.ts';
import type { Api } from './api.ts';
import { parseJson } from './http.ts';
import { fetchResults, type BeatResult, type JobResult, type ReplyOpener } from './results.ts';
import type { SeenJobs } from './seen-jobs.ts';
import { TopicWatch } from './topic-watch.ts';
import type { User } from './user.ts';

/** Failures that pass: the connection is made again, and the result fetched then. */
const PASSING = new Set<ErrorCode>(['UNAVAILABLE', 'INTERNAL', 'RATE_LIMITED', 'AUTH_INVALID']);

/** Answers of a backend that does not know a job as done. */
const FOREIGN = new Set<ErrorCode>(['NOT_FOUND', 'CONFLICT']);

export type AuthenticBeat = Extract<BeatResult, { authentic: true }>;

/** Whether a beat is one to be alerted of; where there is no margin, every anomaly is. */
export const isAlert = (beat: BeatResult, alertMargin: number): beat is AuthenticBeat =>
  beat.authentic && beat.anomaly && (beat.margin === null || beat.margin >= alertMargin);

export interface WatchOptions {
  api: Api;
  user: User;
  /** Address of the broker, such as `mqtts://mozaik.example:8883`. */
  mqttUrl: string;
  seen: SeenJobs;
  /** Opens replies of the homomorphic path; without it their results are errors. */
  openReply?: ReplyOpener;
  /** Called once for each result; again only when it throws, or the process ends in it. */
  onResult: (result: JobResult) => void | Promise<void>;
  /** Called for each anomalous beat of a result whose margin is at least `alertMargin`. */
  onAlert?: (beat: AuthenticBeat, result: JobResult) => void | Promise<void>;
  /** By default every anomalous beat is an alert. */
  alertMargin?: number;
  /** A result that cannot be had or trusted, or a connection that failed. Watching goes on. */
  onError: (error: unknown) => void;
  reconnectMs?: number;
}

/** Watches a user's jobs until it is closed. */
export class JobWatcher {
  readonly #options: WatchOptions;
  readonly #watch: TopicWatch;
  /** Results are handled one after the other. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: WatchOptions) {
    const { api, user, mqttUrl, onError, reconnectMs } = options;
    this.#options = options;
    this.#watch = new TopicWatch({
      ...{
        session: api.session,
        mqttUrl,
        onError,
        topics: [TOPICS.userJobs(toHex(user.identity.id))],
      },
      onConnected: () => this.#catchUp(),
      onMessage: (_topic, payload) => {
        const { job, state } = parseJson(payload, jobNotice, 'job notification');
        if (state === 'done') this.#enqueue(job);
      },
      reconnectMs,
    });
  }

  /** Connects. A connection that fails or ends is made again after a while. */
  start(): Promise<void> {
    return this.#watch.start();
  }

  /** Stops; resolves when a result that is being handled is finished. */
  async close(): Promise<void> {
    await this.#watch.close();
    await this.#queue;
  }

  /** Takes up what was done since, and remembers up to where all is seen by now. */
  async #catchUp(): Promise<void> {
    const { seen } = this.#options;
    const jobs = await this.#doneAfter(seen.upTo);
    let upTo = seen.upTo;
    for (const { job } of jobs) {
      if (!seen.has(job)) break;
      upTo = job;
    }
    if (upTo && upTo !== seen.upTo) await seen.addUpTo(upTo);
    for (const { job } of jobs) if (!seen.has(job)) this.#enqueue(job);
  }

  async #doneAfter(job: Uint8Array | undefined): Promise<JobEntry[]> {
    const { api } = this.#options;
    try {
      return await api.jobsDone(job);
    } catch (error) {
      // Another backend, or an earlier state of this one: what it has is told from what was seen.
      const isForeign = error instanceof MozaikError && FOREIGN.has(error.code);
      if (job === undefined || !isForeign) throw error;
      return api.jobsDone();
    }
  }

  #enqueue(job: Uint8Array): void {
    this.#queue = this.#queue
      .then(() => this.#handle(job))
      .catch((error: unknown) => this.#options.onError(error));
  }

  async #handle(job: Uint8Array): Promise<void> {
    const {
      api,
      user,
      seen,
      onResult,
      onAlert,
      alertMargin = -Infinity,
      openReply,
    } = this.#options;
    if (this.#watch.closed || seen.has(job)) return;
    let result;
    try {
      result = await fetchResults(api, user, job, openReply);
    } catch (error) {
      if (!(error instanceof MozaikError)) throw error;
      if (PASSING.has(error.code)) this.#watch.reconnect();
      // A check that failed is final: the same answer would fail again.
      else await seen.add(job);
      throw error;
    }
    await onResult(result);
    for (const beat of result.beats) {
      if (isAlert(beat, alertMargin)) await onAlert?.(beat, result);
    }
    await seen.add(job);
  }
}
