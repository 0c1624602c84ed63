/**
 * Results as they are done (Node): MQTT says that there is one, HTTP fetches it. After every connect
 * the list of jobs is read, so that a notification that was missed is made up for.
 */
import { MozaikError, TOPICS, toHex, type ErrorCode } from '@mozaik/protocol';
import { connect, type MqttClient } from 'mqtt';
import { jobNotice } from './answers.ts';
import type { Api } from './api.ts';
import { parseJson } from './http.ts';
import { fetchResults, type BeatResult, type JobResult } from './results.ts';
import type { SeenJobs } from './seen-jobs.ts';
import type { User } from './user.ts';

const RECONNECT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 10_000;

/** Failures that pass: the connection is made again, and the result fetched then. */
const PASSING = new Set<ErrorCode>(['UNAVAILABLE', 'INTERNAL', 'RATE_LIMITED', 'AUTH_INVALID']);

export type AuthenticBeat = Extract<BeatResult, { authentic: true }>;

export interface WatchOptions {
  api: Api;
  user: User;
  /** Address of the broker, such as `mqtts://mozaik.example:8883`. */
  mqttUrl: string;
  seen: SeenJobs;
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
  #client: MqttClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  /** Results are handled one after the other. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Connects. A connection that fails or ends is made again after a while. */
  async start(): Promise<void> {
    const { api, user, mqttUrl, onError } = this.#options;
    let password;
    try {
      password = await api.session.token();
    } catch (error) {
      onError(error);
      this.#startLater();
      return;
    }
    if (this.#closed) return;
    // A token lives shorter than we do, so every connection is made with a current one, by us.
    const client = connect(mqttUrl, {
      protocolVersion: 4,
      username: toHex(user.identity.id),
      password,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
    });
    this.#client = client;
    client.on('connect', () => void this.#subscribe(client));
    client.on('message', (_topic, payload) => this.#onMessage(payload));
    client.on('error', (cause) => {
      onError(new MozaikError('UNAVAILABLE', 'the MQTT broker', { cause }));
    });
    client.once('close', () => this.#startLater());
  }

  /** Stops; resolves when a result that is being handled is finished. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#client?.endAsync(true);
    await this.#queue;
  }

  #startLater(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.start(), this.#options.reconnectMs ?? RECONNECT_MS);
  }

  /** Subscribes first and lists then, so that no job is done between the two unseen. */
  async #subscribe(client: MqttClient): Promise<void> {
    const { api, user, onError } = this.#options;
    try {
      await client.subscribeAsync(TOPICS.userJobs(toHex(user.identity.id)), { qos: 1 });
      for (const { job, state } of await api.jobs()) if (state === 'done') this.#enqueue(job);
    } catch (error) {
      if (!this.#closed) onError(error);
      client.end(true);
    }
  }

  #onMessage(payload: Uint8Array): void {
    try {
      const { job, state } = parseJson(payload, jobNotice, 'job notification');
      if (state === 'done') this.#enqueue(job);
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #enqueue(job: Uint8Array): void {
    this.#queue = this.#queue
      .then(() => this.#handle(job))
      .catch((error: unknown) => this.#options.onError(error));
  }

  async #handle(job: Uint8Array): Promise<void> {
    const { api, user, seen, onResult, onAlert, alertMargin = -Infinity } = this.#options;
    if (this.#closed || seen.has(job)) return;
    let result;
    try {
      result = await fetchResults(api, user, job);
    } catch (error) {
      if (!(error instanceof MozaikError)) throw error;
      if (PASSING.has(error.code)) this.#client?.end(true);
      // A check that failed is final: the same answer would fail again.
      else await seen.add(job);
      throw error;
    }
    await onResult(result);
    for (const beat of result.beats) {
      if (beat.authentic && beat.anomaly && beat.margin >= alertMargin)
        await onAlert?.(beat, result);
    }
    await seen.add(job);
  }
}
