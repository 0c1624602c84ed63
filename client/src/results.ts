/**
 * Opening results. On shares, each share of a result has two holders, so a single party that lies about any
 * value is noticed here, and the whole result is discarded.
 */
import {
  CLASS_SHARE_BYTES,
  equalBytes,
  equalSecret,
  HOMOMORPHIC,
  isListed,
  isSealedModel,
  jobHash,
  MARGIN_SHARE_BYTES,
  MozaikError,
  openReply,
  openResult,
  PARTY_COUNT,
  toHex,
  verifyConsent,
  type AnyModelDescriptor,
  type Consent,
  type EncryptedReply,
  type Job,
  type ModelDescriptor,
  type ResultShare,
  type Verified,
} from '@mozaik/protocol';
import type { Api } from './api.ts';
import { expectModel } from './model.ts';
import type { User } from './user.ts';

/** Fractional bits of an activation; a margin has these and the weights' (mpc/src/model.ts). */
const ACTIVATION_FRACTION_BITS = 8;
const MARGIN_BITS = 8 * MARGIN_SHARE_BYTES;

/** What was computed about one heartbeat. */
export type BeatResult =
  /** The tag did not verify: the sample was altered, and there is no class. */
  | { sequence: number; authentic: false }
  | {
      sequence: number;
      authentic: true;
      /** Index of the class, and its name in the model. */
      classIndex: number;
      className: string;
      /**
       * Winner's logit minus the second's: how sure the model is. Null on the homomorphic path, where
       * only labels leave the opening of a reply.
       */
      margin: number | null;
      /** Whether the model counts this class as an anomaly. */
      anomaly: boolean;
    };

export interface JobResult {
  job: Uint8Array;
  consent: Uint8Array;
  device: Uint8Array;
  stream: number;
  /** Ascending by sequence number. */
  beats: BeatResult[];
}

/** Everything about a finished job, as fetched: nothing in it is trusted. */
export interface FinishedJob {
  request: Job;
  /** Signed consent and model descriptor. */
  consent: Uint8Array;
  model: Uint8Array;
  /** Sealed results in the consent's order of parties. */
  sealed: Uint8Array[];
}

/**
 * Opens the ciphertexts of a reply with the user's homomorphic keys, of which nothing but the label of
 * each encrypted beat comes out.
 */
export type ReplyOpener = (
  reply: EncryptedReply,
  body: Uint8Array,
  beats: number,
) => Promise<{ classIndex: number }[]>;

/**
 * Opens and reconstructs the result of a job of three parties.
 *
 * @throws MozaikError CONSENT_MISMATCH when the job is not covered by a consent of this user;
 *   RESULT_INVALID when the parties' shares do not fit together; SHARE_UNREADABLE when one does not
 *   open; ENCODING_INVALID, SIGNATURE_INVALID, MODEL_UNKNOWN
 */
export function openResults(user: User, finished: FinishedJob): JobResult {
  const { request, sealed } = finished;
  const { consent, model } = checkFinished(user, finished);
  if (isSealedModel(model)) throw invalid('the result is one of the homomorphic path');
  const shares = openShares(user, sealed, consent.value, request);
  const beats = request.sequences.map((sequence, i) => reconstruct(shares, sequence, i, model));
  return describe(finished, consent, beats);
}

/**
 * Opens the result of a job of one server.
 *
 * @param openBody opens the reply's ciphertexts
 * @throws MozaikError as {@link openResults}; RESULT_INVALID when the reply does not fit to the job,
 *   CIPHERTEXT_ALTERED, and what `openBody` throws
 */
export async function openEncryptedResults(
  user: User,
  finished: FinishedJob,
  openBody: ReplyOpener,
): Promise<JobResult> {
  const { consent, model } = checkFinished(user, finished);
  const { parties, protocol } = consent.value;
  const { request, sealed } = finished;
  if (protocol !== HOMOMORPHIC || !isSealedModel(model) || sealed.length !== 1) {
    throw invalid('there is not one result of one server');
  }
  const expected = { consent: consent.hash, job: jobHash(request), party: parties[0].id };
  const { reply, body } = openReply(user.resultKeys, expected, sealed[0]);
  const { sequences } = request;
  const { authentic: flags } = reply;
  if (flags.length !== sequences.length || flags.some((flag) => flag > 1)) {
    throw invalid('a result is not as long as the job');
  }
  const encrypted = flags.filter((flag) => flag === 1).length;
  const labels = encrypted === 0 ? [] : await openBody(reply, body, encrypted);
  let next = 0;
  const beats = sequences.map((sequence, i): BeatResult => {
    if (flags[i] === 0) return { sequence, authentic: false };
    return authenticBeat(sequence, labels[next++].classIndex, null, model);
  });
  return describe(finished, consent, beats);
}

/**
 * Fetches the result of a job that is done, with all that is needed to open it, and opens it.
 * @param openBody for results of the homomorphic path
 */
export async function fetchResults(
  api: Api,
  user: User,
  job: Uint8Array,
  openBody?: ReplyOpener,
): Promise<JobResult> {
  const request = await api.jobRequest(job);
  if (!equalBytes(request.job, job)) {
    throw new MozaikError('CONSENT_MISMATCH', `asked for job ${toHex(job)}, got another`);
  }
  const [consent, results] = await Promise.all([api.consent(request.consent), api.jobResults(job)]);
  const { model: modelHash, protocol } = verifyConsent(consent).value;
  const model = await api.model(modelHash);
  const sealed = results.map((result) => result.sealed);
  const finished = { request, consent, model, sealed };
  if (protocol !== HOMOMORPHIC) return openResults(user, finished);
  if (openBody === undefined) {
    throw new MozaikError('SHARE_UNREADABLE', 'the homomorphic keys of the reply are not here');
  }
  return openEncryptedResults(user, finished, openBody);
}

/** That a job is of a consent of this user, and of the model that this names. */
function checkFinished(user: User, finished: FinishedJob) {
  const { request } = finished;
  const consent = verifyConsent(finished.consent);
  if (!equalBytes(consent.signer, user.identity.id) || !equalBytes(consent.hash, request.consent)) {
    throw new MozaikError('CONSENT_MISMATCH', 'the job is not of a consent of this user');
  }
  checkSequences(request.sequences, consent.value);
  return { consent, model: expectModel(finished.model, consent.value.model).value };
}

const describe = (
  { request }: FinishedJob,
  { value, hash }: Verified<Consent>,
  beats: BeatResult[],
): JobResult => ({
  job: request.job,
  consent: hash,
  device: value.device,
  stream: value.stream,
  beats,
});

/** Ascending, each once, and within the ranges that the consent lists. */
function checkSequences(sequences: number[], consent: Consent): void {
  let previous = -1;
  for (const sequence of sequences) {
    if (sequence <= previous || !isListed(consent, sequence)) {
      throw new MozaikError('CONSENT_MISMATCH', `sample ${sequence} of the job`);
    }
    previous = sequence;
  }
}

/** A beat whose class is known. */
function authenticBeat(
  sequence: number,
  classIndex: number,
  margin: number | null,
  { classes, anomalies }: AnyModelDescriptor,
): BeatResult {
  if (!(classIndex in classes)) throw invalid('a class is not exactly one of the model');
  return {
    sequence,
    authentic: true,
    classIndex,
    className: classes[classIndex],
    margin,
    anomaly: anomalies.includes(classIndex),
  };
}

function openShares(user: User, sealed: Uint8Array[], consent: Consent, job: Job): ResultShare[] {
  if (sealed.length !== PARTY_COUNT) throw invalid('there is not one result of each party');
  const hash = jobHash(job);
  const shares = sealed.map((data, index) => {
    const expected = { consent: job.consent, job: hash, party: consent.parties[index].id, index };
    return openResult(user.resultKeys, expected, data);
  });
  const count = job.sequences.length;
  shares.forEach((share, index) => {
    const next = shares[(index + 1) % PARTY_COUNT];
    if (share.protocol !== consent.protocol) throw invalid('another protocol ran');
    if (
      share.authentic.length !== count ||
      share.classFirst.length !== count * CLASS_SHARE_BYTES ||
      share.marginFirst.length !== count * MARGIN_SHARE_BYTES
    ) {
      throw invalid('a result is not as long as the job');
    }
    if (
      !equalBytes(share.authentic, next.authentic) ||
      !equalSecret(share.classSecond, next.classFirst) ||
      !equalSecret(share.marginSecond, next.marginFirst)
    ) {
      throw invalid('two parties disagree about a value that both hold');
    }
  });
  return shares;
}

/** Combines the shares of sample `i`. */
function reconstruct(
  shares: ResultShare[],
  sequence: number,
  i: number,
  model: ModelDescriptor,
): BeatResult {
  const [{ authentic: flags }] = shares;
  if (flags[i] > 1) throw invalid('a flag is neither 0 nor 1');
  if (flags[i] === 0) return { sequence, authentic: false };

  let mask = 0;
  let margin = 0;
  for (const { classFirst, marginFirst } of shares) {
    mask ^= littleEndian(classFirst, i * CLASS_SHARE_BYTES, CLASS_SHARE_BYTES);
    margin += littleEndian(marginFirst, i * MARGIN_SHARE_BYTES, MARGIN_SHARE_BYTES);
  }
  const classIndex = model.classes.findIndex((_, index) => mask === 1 << index);
  const signed = (margin << (32 - MARGIN_BITS)) >> (32 - MARGIN_BITS);
  const scale = 2 ** (ACTIVATION_FRACTION_BITS + model.fractionBits);
  return authenticBeat(sequence, classIndex, signed / scale, model);
}

function littleEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = 0; i < length; i++) value |= bytes[at + i] << (8 * i);
  return value;
}

const invalid = (reason: string): MozaikError => new MozaikError('RESULT_INVALID', reason);
