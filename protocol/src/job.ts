/**
 * Job: one run of an analysis over listed samples of a consent. The backend writes it and nobody
 * signs it: parties check it against the consent and compare its hash with each other.
 */
import { encodeCanonical } from './canonical.ts';
import { JOB_MAX_SAMPLES } from './consent.ts';
import { MozaikError } from './errors.ts';
import { hash, HASH_BYTES } from './hash.ts';
import { bytes, integer, list, oneOf, struct, type Infer, type Schema } from './schema.ts';

export const JOB_ID_BYTES = 16;

const sequenceList = list(integer(0, 0xffffffff), 1, JOB_MAX_SAMPLES);

const ascendingSequences: Schema<number[]> = (value, path) => {
  const sequences = sequenceList(value, path);
  if (sequences.some((number, i) => i > 0 && number <= sequences[i - 1])) {
    throw new MozaikError('ENCODING_INVALID', `${path}: not ascending`);
  }
  return sequences;
};

export const jobSchema = struct({
  v: oneOf(1),
  /** Random, fresh for every attempt: it is the session id. */
  job: bytes(JOB_ID_BYTES),
  consent: bytes(HASH_BYTES),
  /** Sequence numbers of the samples, ascending. */
  sequences: ascendingSequences,
});

export type Job = Infer<typeof jobSchema>;

export const jobHash = (job: Job): Uint8Array => hash('mozaik/job/1', encodeCanonical(job));

/** Hash of the ciphertexts of a job, in its order: what parties compare before they compute. */
export const inputsHash = (envelopes: Uint8Array[]): Uint8Array =>
  hash('mozaik/inputs/1', ...envelopes);
