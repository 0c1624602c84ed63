/**
 * The routes of `docs/api.md` that every node calls which computes under consents, whether it is one of
 * three parties or a single server. To the backend each is a party to the consent.
 */
import {
  decodeCanonical,
  encodeCanonical,
  JOB_MAX_SAMPLES,
  jobSchema,
  REQUEST_MAX_BEATS,
  SIGNED_BODY_MAX_BYTES,
  toHex,
  type ErrorCode,
  type Job,
  type RunStatistics,
} from '@mozaik/protocol';
import { Session, type SessionOptions } from './http.ts';

/** Room for the encoding around the largest object, bytes. */
export const FRAMING_BYTES = 8192;
/** Longest signed object, bytes. */
export const SIGNED_MAX_BYTES = SIGNED_BODY_MAX_BYTES + FRAMING_BYTES;
/** Longest encoding of a sequence number, bytes. */
const NUMBER_BYTES = 5;
const JOB_MAX_BYTES = Math.max(JOB_MAX_SAMPLES, REQUEST_MAX_BEATS) * NUMBER_BYTES + FRAMING_BYTES;

export class ComputeBackend {
  readonly session: Session;

  constructor(options: Omit<SessionOptions, 'role'>) {
    this.session = new Session({ ...options, role: 'party' });
  }

  async publishDescriptor(id: Uint8Array, signed: Uint8Array): Promise<void> {
    await this.session.request('PUT', `/v1/parties/${toHex(id)}`, { cbor: signed }, 0);
  }

  /** The signed consent. */
  consent(hash: Uint8Array): Promise<Uint8Array> {
    return this.get(`/v1/consents/${toHex(hash)}`, SIGNED_MAX_BYTES);
  }

  /** The signed model descriptor. */
  model(hash: Uint8Array): Promise<Uint8Array> {
    return this.get(`/v1/models/${toHex(hash)}`, SIGNED_MAX_BYTES);
  }

  async job(id: string): Promise<Job> {
    const request = await this.get(`/v1/jobs/${id}/request`, JOB_MAX_BYTES);
    return decodeCanonical(request, jobSchema, 'job');
  }

  async deliver(job: Uint8Array, sealed: Uint8Array, statistics: RunStatistics): Promise<void> {
    const body = { cbor: encodeCanonical({ v: 1, sealed, statistics }) };
    await this.session.request('PUT', `/v1/jobs/${toHex(job)}/result`, body, 0);
  }

  async reportFailure(job: string, code: ErrorCode): Promise<void> {
    await this.session.request('POST', `/v1/jobs/${job}/failure`, { json: { code } }, 0);
  }

  protected get(path: string, maxBytes: number): Promise<Uint8Array> {
    return this.session.request('GET', path, undefined, maxBytes);
  }
}
