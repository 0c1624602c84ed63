/**
 * Job: one run of an analysis over listed samples of a consent. The backend writes it and nobody
 * signs it: parties check it against the consent and compare its hash with each other.
 */
import { encodeCanonical } from './canonical.ts';
import { JOB_MAX_SAMPLES } from './consent.ts';
import { hash, HASH_BYTES } from './hash.ts';
import { bytes, integer, list, oneOf, struct, type Infer } from './schema.ts';

export const JOB_ID_BYTES = 16;

export const jobSchema = struct({
  v: oneOf(1),
  /** Random, fresh for every attempt: it is the session id. */
  job: bytes(JOB_ID_BYTES),
  consent: bytes(HASH_BYTES),
  /** Sequence numbers of the samples, ascending. */
  sequences: list(integer(0, 0xffffffff), 1, JOB_MAX_SAMPLES),
});

export type Job = Infer<typeof jobSchema>;

export const jobHash = (job: Job): Uint8Array => hash('mozaik/job/1', encodeCanonical(job));

/** Hash of the ciphertexts of a job, in its order: what parties compare before they compute. */
export const inputsHash = (envelopes: Uint8Array[]): Uint8Array =>
  hash('mozaik/inputs/1', ...envelopes);
