/** The backend's routes for users and model providers, as `docs/api.md` lists them. */
import {
  BEAT_ENVELOPE_BYTES,
  decodeCanonical,
  JOB_MAX_SAMPLES,
  jobResults,
  jobSchema,
  PARTY_COUNT,
  pendingSamples,
  REQUEST_MAX_BEATS,
  samplePage,
  SAMPLES_PAGE_MAX,
  SEALED_RESULT_MAX_BYTES,
  SIGNED_BODY_MAX_BYTES,
  toHex,
  type Job,
  type SamplePage,
  type Schema,
} from '@mozaik/protocol';
import {
  consentAnswer,
  consentsAnswer,
  deviceAnswer,
  devicesAnswer,
  jobEntry,
  jobsAnswer,
  modelAnswer,
  modelsAnswer,
  partiesAnswer,
  requestAnswer,
  type JobEntry,
} from './answers.ts';
import { Session, type SessionOptions } from './http.ts';

/** Jobs in a full page of a list. */
const JOBS_PAGE = 1000;
/** Room for the framing of one CBOR object, its signature and the signer's key, bytes. */
const FRAMING_BYTES = 8192;
/** Largest answers, bytes: what an honest backend can have to say, so that no other fills memory. */
const SIGNED_MAX_BYTES = SIGNED_BODY_MAX_BYTES + FRAMING_BYTES;
const PAGE_MAX_BYTES = SAMPLES_PAGE_MAX * (BEAT_ENVELOPE_BYTES + 64) + FRAMING_BYTES;
const JOB_MAX_BYTES = JOB_MAX_SAMPLES * 5 + FRAMING_BYTES;
const RESULTS_MAX_BYTES = Math.max(
  PARTY_COUNT * SIGNED_MAX_BYTES,
  SEALED_RESULT_MAX_BYTES + FRAMING_BYTES,
);
const PENDING_MAX_BYTES = REQUEST_MAX_BEATS * 5 + FRAMING_BYTES;

/** Which samples to list: sequence numbers from `from` on, ascending, at most `limit`. */
export interface SampleQuery {
  device: Uint8Array;
  stream: number;
  from: number;
  limit?: number;
}

/**
 * A client of one backend, as one identity. Every method throws a MozaikError: the backend's own
 * code, UNAVAILABLE when it cannot be reached, ENCODING_INVALID when its answer is not in the form
 * that is documented. Signed objects are returned as they came: who uses one verifies it.
 */
export class Api {
  readonly session: Session;

  constructor(options: SessionOptions) {
    this.session = new Session(options);
  }

  /** Ids and names of the parties that this backend knows. */
  async parties(): Promise<{ id: Uint8Array; name: string }[]> {
    return (await this.session.json('GET', '/v1/parties', partiesAnswer)).parties;
  }

  /** The signed descriptor of a party. */
  party(id: Uint8Array): Promise<Uint8Array> {
    return this.#signed(`/v1/parties/${toHex(id)}`);
  }

  async models(): Promise<{ model: Uint8Array; name: string; provider: Uint8Array }[]> {
    return (await this.session.json('GET', '/v1/models', modelsAnswer)).models;
  }

  /** The signed descriptor of a model. */
  model(hash: Uint8Array): Promise<Uint8Array> {
    return this.#signed(`/v1/models/${toHex(hash)}`);
  }

  /** Deals a model; `submission` is an encoded `modelSubmission`. Returns the model's hash. */
  async submitModel(submission: Uint8Array): Promise<Uint8Array> {
    const body = { cbor: submission };
    return (await this.session.json('POST', '/v1/models', modelAnswer, body)).model;
  }

  /** Registers a device and returns its MQTT password. */
  async registerDevice(device: Uint8Array, name: string): Promise<string> {
    const body = { json: { device: toHex(device), name } };
    return (await this.session.json('POST', '/v1/devices', deviceAnswer, body)).token;
  }

  async devices(): Promise<{ device: Uint8Array; name: string }[]> {
    return (await this.session.json('GET', '/v1/devices', devicesAnswer)).devices;
  }

  /** Removes a device: its MQTT password is worth nothing from now on. */
  async removeDevice(device: Uint8Array): Promise<void> {
    await this.session.request('DELETE', `/v1/devices/${toHex(device)}`, undefined, 0);
  }

  /** One page of a device's stream, as the store holds it. */
  samples(query: SampleQuery): Promise<SamplePage> {
    const { device, stream, from, limit = SAMPLES_PAGE_MAX } = query;
    const search = `device=${toHex(device)}&stream=${stream}&from=${from}&limit=${limit}`;
    return this.#cbor(`/v1/samples?${search}`, samplePage, PAGE_MAX_BYTES);
  }

  /** Gives a consent; `submission` is an encoded `consentSubmission`. Returns the consent's hash. */
  async submitConsent(submission: Uint8Array): Promise<Uint8Array> {
    const body = { cbor: submission };
    return (await this.session.json('POST', '/v1/consents', consentAnswer, body)).consent;
  }

  async consents() {
    return (await this.session.json('GET', '/v1/consents', consentsAnswer)).consents;
  }

  /** A signed consent. */
  consent(hash: Uint8Array): Promise<Uint8Array> {
    return this.#signed(`/v1/consents/${toHex(hash)}`);
  }

  /** Hands in a signed revocation. */
  async submitRevocation(signed: Uint8Array): Promise<void> {
    await this.session.request('POST', '/v1/revocations', { cbor: signed }, 0);
  }

  /** Samples of a homomorphic consent that no job has had, ascending; at most a full request. */
  async pending(consent: Uint8Array): Promise<number[]> {
    const path = `/v1/consents/${toHex(consent)}/pending`;
    return (await this.#cbor(path, pendingSamples, PENDING_MAX_BYTES)).sequences;
  }

  /** Sends a frame with the user's evaluation keys. */
  async putEvaluationKeys(frame: Uint8Array): Promise<void> {
    await this.session.request('PUT', '/v1/evaluation-keys', { octets: frame }, 0);
  }

  /** Asks for a computation; `frame` is a signed request with its ciphertexts. Returns the job's id. */
  async submitRequest(consent: Uint8Array, frame: Uint8Array): Promise<Uint8Array> {
    const path = `/v1/consents/${toHex(consent)}/requests`;
    return (await this.session.json('POST', path, requestAnswer, { octets: frame })).job;
  }

  /** The user's jobs, of one consent or of all. */
  jobs(consent?: Uint8Array): Promise<JobEntry[]> {
    return this.#allJobs('/v1/jobs', consent === undefined ? {} : { consent: toHex(consent) });
  }

  /**
   * The user's jobs that are done, in the order in which they were.
   * @param after only those that were done after this one
   */
  jobsDone(after?: Uint8Array): Promise<JobEntry[]> {
    return this.#allJobs('/v1/jobs/done', {}, after);
  }

  job(id: Uint8Array): Promise<JobEntry> {
    return this.session.json('GET', `/v1/jobs/${toHex(id)}`, jobEntry);
  }

  /** What a job was asked to do. */
  jobRequest(id: Uint8Array): Promise<Job> {
    return this.#cbor(`/v1/jobs/${toHex(id)}/request`, jobSchema, JOB_MAX_BYTES);
  }

  /** Each party's sealed result and statistics, in the consent's order. */
  async jobResults(id: Uint8Array) {
    const path = `/v1/jobs/${toHex(id)}/results`;
    return (await this.#cbor(path, jobResults, RESULTS_MAX_BYTES)).results;
  }

  /** All pages of a list of jobs. */
  async #allJobs(
    path: string,
    search: Record<string, string>,
    after?: Uint8Array,
  ): Promise<JobEntry[]> {
    const all: JobEntry[] = [];
    for (let last = after; ; last = all[all.length - 1].job) {
      const query = new URLSearchParams(last ? { ...search, after: toHex(last) } : search);
      const { jobs } = await this.session.json('GET', `${path}?${query}`, jobsAnswer);
      all.push(...jobs);
      // A full page may have a successor.
      if (jobs.length < JOBS_PAGE) return all;
    }
  }

  #signed(path: string): Promise<Uint8Array> {
    return this.session.request('GET', path, undefined, SIGNED_MAX_BYTES);
  }

  async #cbor<T>(path: string, schema: Schema<T>, maxBytes: number): Promise<T> {
    const data = await this.session.request('GET', path, undefined, maxBytes);
    return decodeCanonical(data, schema, path);
  }
}
