/**
 * What the homomorphic path keeps at the backend: a user's evaluation keys for as long as a consent
 * needs them, and the ciphertexts of a request until its job has ended.
 */
import type { Readable } from 'node:stream';
import {
  covers,
  decodeSample,
  equalBytes,
  fromHex,
  ID_BYTES,
  MozaikError,
  toHex,
  verifyEvaluationKeys,
  verifyRequest,
  type EncryptedRequest,
} from '@mozaik/protocol';
import type { ConsentRecord, Database, JobRecord } from '../store/database.ts';
import type { Frames, Received } from '../store/frames.ts';
import type { SampleStore } from '../store/samples.ts';
import { streamOf } from './backlog.ts';
import { isHomomorphic, positionOf, type Consents } from './consents.ts';
import type { JobStore } from './job-store.ts';

const KEYS = 'keys-';
const REQUEST = 'request-';

/** A request whose signature and consent are checked, and its hash. */
export type CheckedRequest = EncryptedRequest & { hash: Uint8Array };

export class Ciphertexts {
  readonly #db: Database;
  readonly #frames: Frames;
  readonly #consents: Consents;
  readonly #jobs: JobStore;
  readonly #samples: SampleStore;

  constructor(services: {
    db: Database;
    frames: Frames;
    consents: Consents;
    jobs: JobStore;
    samples: SampleStore;
  }) {
    this.#db = services.db;
    this.#frames = services.frames;
    this.#consents = services.consents;
    this.#jobs = services.jobs;
    this.#samples = services.samples;
  }

  /** Removes what an earlier run of the backend left half done. */
  async open(): Promise<void> {
    const running = new Set<string>();
    for (const { job, name } of await this.#jobs.frames()) {
      if (job?.state === 'running') running.add(name);
    }
    await this.#frames.open((name) => name.startsWith(KEYS) || running.has(name));
  }

  /**
   * Takes a user's evaluation keys. The same again are fine.
   * @throws MozaikError CONFLICT when no consent needs them or newer ones are stored, and as
   *   {@link Frames.receive}
   */
  async putKeys(user: string, source: Readable, length: number): Promise<void> {
    const received = await this.#frames.receive(user, source, length, async (signed) => {
      const { value, hash } = verifyEvaluationKeys(signed, fromHex(user, ID_BYTES));
      if (!(await this.#areNeeded(user))) {
        throw new MozaikError('CONFLICT', 'no active consent needs evaluation keys');
      }
      const present = await this.#keysOf(user);
      if (present && !equalBytes(present.hash, hash) && value.epoch <= present.value.epoch) {
        throw new MozaikError('CONFLICT', `keys of epoch ${present.value.epoch} are stored`);
      }
      return value;
    });
    await received.keep(KEYS + user);
    // The consent may have ended while they came.
    await this.dropKeys(user);
  }

  /** A user's evaluation keys, for a server. @throws MozaikError NOT_FOUND */
  async keysFor(server: string, user: string) {
    const records = await this.#activeConsents(user);
    if (!records.some(({ consent }) => positionOf(consent, server) >= 0)) {
      throw new MozaikError('NOT_FOUND', 'evaluation keys');
    }
    return this.#frames.read(KEYS + user);
  }

  /** Deletes a user's evaluation keys unless an active consent needs them. */
  async dropKeys(user: string): Promise<void> {
    if (!(await this.#areNeeded(user))) await this.#frames.delete(KEYS + user);
  }

  /**
   * Receives a request under a consent.
   * @param admit throws when it cannot be taken now
   * @throws MozaikError as {@link Ciphertexts.check}, `admit` and {@link Frames.receive}
   */
  receiveRequest(
    record: ConsentRecord,
    source: Readable,
    length: number,
    admit: () => void,
  ): Promise<Received<CheckedRequest>> {
    const {
      consent,
      hash,
      consent: { user },
    } = record;
    return this.#frames.receive(toHex(user), source, length, async (signed) => {
      const verified = verifyRequest(signed, { value: consent, hash, signer: user });
      const request = { ...verified.value, hash: verified.hash };
      admit();
      await this.check(record, request);
      return request;
    });
  }

  /**
   * Checks a request against what is stored.
   * @throws MozaikError CONFLICT, NOT_FOUND, CONSENT_MISMATCH, EVALUATION_KEYS_MISSING
   */
  async check(record: ConsentRecord, request: EncryptedRequest): Promise<void> {
    const { sequences, from, to, layout, keys } = request;
    if ((await this.#jobs.unassigned(record, sequences)).length < sequences.length) {
      throw new MozaikError('CONFLICT', 'a sample was in a job before');
    }
    const envelopes = await this.#samples.get(streamOf(record), sequences);
    const samples = envelopes.map((envelope) => envelope && decodeSample(envelope));
    const times = samples.map((sample, i) => {
      if (!sample) throw new MozaikError('NOT_FOUND', `sample ${sequences[i]}`);
      if (covers(record.consent, sample)) return sample.time;
      throw new MozaikError('CONSENT_MISMATCH', `sample ${sequences[i]} is not covered`);
    });
    if (Math.min(...times) !== from || Math.max(...times) !== to) {
      throw new MozaikError('CONSENT_MISMATCH', 'the request names other times than the samples');
    }
    // The batch layout needs no evaluation keys.
    if (layout === 'batch') return;
    const present = await this.#keysOf(toHex(record.consent.user));
    if (!present || !equalBytes(present.hash, keys)) {
      throw new MozaikError('EVALUATION_KEYS_MISSING');
    }
  }

  /** Keeps the ciphertexts of a request, and returns the name that they have from now on. */
  async keep({ value, keep }: Received<CheckedRequest>): Promise<string> {
    const name = REQUEST + toHex(value.hash);
    await keep(name);
    return name;
  }

  /** The frame of a running job. @throws MozaikError NOT_FOUND */
  async requestOf(job: JobRecord) {
    const name = await this.#jobs.frameOf(job);
    if (name === undefined) throw new MozaikError('NOT_FOUND', 'the job has no ciphertexts');
    return this.#frames.read(name);
  }

  /** Deletes the ciphertexts of a job that has ended. */
  async dropRequest(job: JobRecord): Promise<void> {
    const name = await this.#jobs.frameOf(job);
    if (name === undefined) return;
    await this.#db.write([this.#jobs.deleteFrame(job)]);
    await this.#frames.delete(name);
  }

  async #keysOf(user: string) {
    const signed = await this.#frames.signed(KEYS + user);
    return signed && verifyEvaluationKeys(signed, fromHex(user, ID_BYTES));
  }

  async #areNeeded(user: string): Promise<boolean> {
    return (await this.#activeConsents(user)).length > 0;
  }

  async #activeConsents(user: string): Promise<ConsentRecord[]> {
    return (await this.#consents.list(user)).filter(
      (record) => isHomomorphic(record.consent) && this.#consents.stateOf(record) === 'active',
    );
  }
}
