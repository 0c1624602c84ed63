/** The party's view of the backend: the routes of `docs/api.md` that a party calls. */
import { Session, type SessionOptions } from '@mozaik/client/http';
import {
  decodeCanonical,
  encodeCanonical,
  ENVELOPE_MAX_BYTES,
  JOB_MAX_SAMPLES,
  jobSamples,
  jobSchema,
  MODEL_SHARE_MAX_BYTES,
  SEALED_SHARE_MAX_BYTES,
  SIGNED_BODY_MAX_BYTES,
  toHex,
  type ErrorCode,
  type Job,
  type RunStatistics,
} from '@mozaik/protocol';

/** Room for the encoding around the largest object, bytes. */
const FRAMING_BYTES = 8192;
const SIGNED_MAX_BYTES = SIGNED_BODY_MAX_BYTES + FRAMING_BYTES;

export class Backend {
  readonly session: Session;

  constructor(options: Omit<SessionOptions, 'role'>) {
    this.session = new Session({ ...options, role: 'party' });
  }

  async publishDescriptor(id: Uint8Array, signed: Uint8Array): Promise<void> {
    await this.session.request('PUT', `/v1/parties/${toHex(id)}`, { cbor: signed }, 0);
  }

  /** The signed descriptor of a party. */
  descriptor(party: Uint8Array): Promise<Uint8Array> {
    return this.#get(`/v1/parties/${toHex(party)}`, SIGNED_MAX_BYTES);
  }

  /** The signed consent. */
  consent(hash: Uint8Array): Promise<Uint8Array> {
    return this.#get(`/v1/consents/${toHex(hash)}`, SIGNED_MAX_BYTES);
  }

  /** This party's sealed key share. */
  keyShare(consent: Uint8Array): Promise<Uint8Array> {
    return this.#get(`/v1/consents/${toHex(consent)}/share`, SEALED_SHARE_MAX_BYTES);
  }

  /** The signed model descriptor. */
  model(hash: Uint8Array): Promise<Uint8Array> {
    return this.#get(`/v1/models/${toHex(hash)}`, SIGNED_MAX_BYTES);
  }

  /** This party's sealed model share. */
  modelShare(hash: Uint8Array): Promise<Uint8Array> {
    return this.#get(`/v1/models/${toHex(hash)}/share`, 2 * MODEL_SHARE_MAX_BYTES + FRAMING_BYTES);
  }

  async job(id: string): Promise<Job> {
    const limit = JOB_MAX_SAMPLES * 5 + FRAMING_BYTES;
    return decodeCanonical(await this.#get(`/v1/jobs/${id}/request`, limit), jobSchema, 'job');
  }

  /** The envelopes of a job, in its order. */
  async samples(job: Uint8Array): Promise<Uint8Array[]> {
    const limit = JOB_MAX_SAMPLES * (ENVELOPE_MAX_BYTES + 4) + FRAMING_BYTES;
    const body = await this.#get(`/v1/jobs/${toHex(job)}/samples`, limit);
    return decodeCanonical(body, jobSamples, 'job samples').envelopes;
  }

  async deliver(job: Uint8Array, sealed: Uint8Array, statistics: RunStatistics): Promise<void> {
    const body = { cbor: encodeCanonical({ v: 1, sealed, statistics }) };
    await this.session.request('PUT', `/v1/jobs/${toHex(job)}/result`, body, 0);
  }

  async reportFailure(job: string, code: ErrorCode): Promise<void> {
    await this.session.request('POST', `/v1/jobs/${job}/failure`, { json: { code } }, 0);
  }

  #get(path: string, maxBytes: number): Promise<Uint8Array> {
    return this.session.request('GET', path, undefined, maxBytes);
  }
}
