/**
 * Opening results. Each share of a result has two holders, so a single party that lies about any
 * value is noticed here, and the whole result is discarded.
 */
import {
  CLASS_SHARE_BYTES,
  equalBytes,
  equalSecret,
  jobHash,
  MARGIN_SHARE_BYTES,
  MozaikError,
  openResult,
  PARTY_COUNT,
  toHex,
  verifyConsent,
  type Consent,
  type Job,
  type ModelDescriptor,
  type ResultShare,
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
      /** Winner's logit minus the second's: how sure the model is. */
      margin: number;
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
 * Opens and reconstructs the result of a job.
 *
 * @throws MozaikError CONSENT_MISMATCH when the job is not covered by a consent of this user;
 *   RESULT_INVALID when the parties' shares do not fit together; SHARE_UNREADABLE when one does not
 *   open; ENCODING_INVALID, SIGNATURE_INVALID, MODEL_UNKNOWN
 */
export function openResults(user: User, finished: FinishedJob): JobResult {
  const { request } = finished;
  const consent = verifyConsent(finished.consent);
  if (!equalBytes(consent.signer, user.identity.id) || !equalBytes(consent.hash, request.consent)) {
    throw new MozaikError('CONSENT_MISMATCH', 'the job is not of a consent of this user');
  }
  checkSequences(request.sequences, consent.value);
  const model = expectModel(finished.model, consent.value.model).value;
  const shares = openShares(user, finished.sealed, consent.value, request);
  return {
    job: request.job,
    consent: consent.hash,
    device: consent.value.device,
    stream: consent.value.stream,
    beats: request.sequences.map((sequence, i) => reconstruct(shares, sequence, i, model)),
  };
}

/** Fetches the result of a job that is done, with all that is needed to open it, and opens it. */
export async function fetchResults(api: Api, user: User, job: Uint8Array): Promise<JobResult> {
  const request = await api.jobRequest(job);
  if (!equalBytes(request.job, job)) {
    throw new MozaikError('CONSENT_MISMATCH', `asked for job ${toHex(job)}, got another`);
  }
  const [consent, results] = await Promise.all([api.consent(request.consent), api.jobResults(job)]);
  const model = await api.model(verifyConsent(consent).value.model);
  const sealed = results.map((result) => result.sealed);
  return openResults(user, { request, consent, model, sealed });
}

/** Ascending, each once, and within the ranges that the consent lists. */
function checkSequences(sequences: number[], consent: Consent): void {
  const ranges = consent.sequences;
  let previous = -1;
  for (const sequence of sequences) {
    const listed =
      ranges.length === 0 || ranges.some(([first, last]) => sequence >= first && sequence <= last);
    if (sequence <= previous || !listed) {
      throw new MozaikError('CONSENT_MISMATCH', `sample ${sequence} of the job`);
    }
    previous = sequence;
  }
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
  if (classIndex < 0) throw invalid('a class is not exactly one of the model');
  const signed = (margin << (32 - MARGIN_BITS)) >> (32 - MARGIN_BITS);
  return {
    sequence,
    authentic: true,
    classIndex,
    className: model.classes[classIndex],
    margin: signed / 2 ** (ACTIVATION_FRACTION_BITS + model.fractionBits),
    anomaly: model.anomalies.includes(classIndex),
  };
}

function littleEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = 0; i < length; i++) value |= bytes[at + i] << (8 * i);
  return value;
}

const invalid = (reason: string): MozaikError => new MozaikError('RESULT_INVALID', reason);
