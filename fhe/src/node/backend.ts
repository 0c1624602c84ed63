/** The server's view of the backend: the routes of `docs/api.md` that a server calls. */
import { Session, type SessionOptions } from '@mozaik/client/http';
import {
  decodeCanonical,
  encodeCanonical,
  EVALUATION_KEYS_MAX_BYTES,
  FRAME_OVERHEAD_BYTES,
  jobSchema,
  MODEL_SHARE_MAX_BYTES,
  REQUEST_MAX_BEATS,
  REQUEST_MAX_BYTES,
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
    // To the backend whoever computes is a party to the consent.
    this.session = new Session({ ...options, role: 'party' });
  }

  async publishDescriptor(id: Uint8Array, signed: Uint8Array): Promise<void> {
    await this.session.request('PUT', `/v1/parties/${toHex(id)}`, { cbor: signed }, 0);
  }

  /** The signed consent. */
  consent(hash: Uint8Array): Promise<Uint8Array> {
    return this.#get(`/v1/consents/${toHex(hash)}`, SIGNED_MAX_BYTES);
  }

  /** The signed model descriptor. */
  model(hash: Uint8Array): Promise<Uint8Array> {
    return this.#get(`/v1/models/${toHex(hash)}`, SIGNED_MAX_BYTES);
  }

  /** The sealed model. */
  sealedModel(hash: Uint8Array): Promise<Uint8Array> {
    return this.#get(`/v1/models/${toHex(hash)}/share`, MODEL_SHARE_MAX_BYTES + FRAMING_BYTES);
  }

  async job(id: string): Promise<Job> {
    const limit = REQUEST_MAX_BEATS * 5 + FRAMING_BYTES;
    return decodeCanonical(await this.#get(`/v1/jobs/${id}/request`, limit), jobSchema, 'job');
  }

  /** The frame with the user's request. */
  ciphertexts(job: Uint8Array): Promise<Uint8Array> {
    const limit = REQUEST_MAX_BYTES + FRAME_OVERHEAD_BYTES;
    return this.#get(`/v1/jobs/${toHex(job)}/ciphertexts`, limit);
  }

  /** The frame with a user's evaluation keys. */
  evaluationKeys(user: Uint8Array): Promise<Uint8Array> {
    const limit = EVALUATION_KEYS_MAX_BYTES + FRAME_OVERHEAD_BYTES;
    return this.#get(`/v1/evaluation-keys/${toHex(user)}`, limit);
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
