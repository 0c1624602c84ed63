/**
 * One job from announcement to delivery. The server checks everything by itself: the backend that
 * brings a job is trusted for nothing but delivery.
 */
import type { Revocations, RunningJob } from '@mozaik/client';
import {
  checkBody,
  checkInForce,
  decodeFrame,
  encryptedBeats,
  equalBytes,
  HOMOMORPHIC,
  jobHash,
  MozaikError,
  sealReply,
  toHex,
  verifyConsent,
  verifyRequest,
  type Consent,
  type EncryptedRequest,
  type Job,
  type RunStatistics,
  type Verified,
} from '@mozaik/protocol';
import type { Evaluator } from '../evaluator.ts';
import type { Backend } from './backend.ts';
import type { OwnDescriptor } from './descriptor.ts';
import type { EvaluationKeyCache } from './keys.ts';
import type { Models } from './models.ts';
import type { ServerKeys } from './state.ts';

/** What a server brings to every job. */
export interface Workplace {
  keys: ServerKeys;
  descriptor: OwnDescriptor;
  backend: Backend;
  models: Models;
  evaluationKeys: EvaluationKeyCache;
  evaluator: Evaluator;
  revocations: Revocations;
  now: () => number;
}

export interface JobReport {
  samples: number;
  statistics: RunStatistics;
}

const mismatch = (reason: string) => new MozaikError('CONSENT_MISMATCH', reason);
const NOTHING = new Uint8Array(0);

/**
 * Fetches and checks everything, computes, delivers the sealed reply.
 *
 * @param id job id, hexadecimal
 * @throws MozaikError with the code to report to the backend
 */
export async function runJob(
  workplace: Workplace,
  id: string,
  running: RunningJob,
): Promise<JobReport> {
  const { backend, keys, revocations, now } = workplace;
  const { signal } = running.abort;
  const job = await backend.job(id);
  if (toHex(job.job) !== id) throw mismatch('the job has another id');
  const consent = checkConsent(await backend.consent(job.consent), job, workplace);
  const { user } = consent.value;
  running.consent = { hash: consent.hash, user };
  const checkUsable = () => {
    signal.throwIfAborted();
    checkInForce(consent.value, now());
    if (revocations.has(consent.hash, user)) throw new MozaikError('CONSENT_REVOKED');
  };
  checkUsable();
  const { signed, body } = decodeFrame(await backend.ciphertexts(job.job));
  const request = verifyRequest(signed, consent);
  const { sequences, layout } = request.value;
  if (sequences.length !== job.sequences.length || sequences.some((n, i) => n !== job.sequences[i]))
    throw mismatch('the request is for other samples than the job');
  checkBody(request.value, body);
  const started = performance.now();
  const reply = await compute(workplace, consent, request.value, body, signal);
  // Revoked meanwhile: nothing of it is delivered.
  checkUsable();
  const sealed = sealReply(
    {
      ...{ job: jobHash(job), consent: consent.hash, party: keys.identity.id },
      ...{ request: request.hash, keys: request.value.keys, layout },
      authentic: request.value.authentic,
    },
    reply,
    keys.identity,
    consent.value.resultKey,
  );
  const durationUs = Math.round((performance.now() - started) * 1000);
  const statistics: RunStatistics = { rounds: 0, bytesSent: reply.length, durationUs };
  await backend.deliver(job.job, sealed, statistics);
  return { samples: sequences.length, statistics };
}

/**
 * Verifies the consent of a job, and that it names this server.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID, CONSENT_MISMATCH, PARTY_NOT_PINNED
 */
export function checkConsent(
  signed: Uint8Array,
  job: Job,
  { keys, descriptor }: Pick<Workplace, 'keys' | 'descriptor'>,
): Verified<Consent> {
  const consent = verifyConsent(signed);
  const { protocol, parties } = consent.value;
  if (!equalBytes(consent.hash, job.consent)) throw mismatch('the consent is another one');
  if (protocol !== HOMOMORPHIC) throw mismatch('the consent is for another path');
  if (!equalBytes(parties[0].id, keys.identity.id))
    throw mismatch('the consent is for another server');
  if (!equalBytes(parties[0].descriptor, descriptor.hash)) {
    throw new MozaikError('PARTY_NOT_PINNED', 'the consent pins an older descriptor');
  }
  return consent;
}

async function compute(
  { models, evaluationKeys, evaluator }: Workplace,
  consent: Verified<Consent>,
  request: EncryptedRequest,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const { user, expires } = consent.value;
  const { layout, keys } = request;
  const beats = encryptedBeats(request);
  // No sample was authentic: the user is told so, and there is nothing to compute.
  if (beats === 0) return NOTHING;
  const network = await models.get(consent.value);
  const held = layout === 'single' ? await evaluationKeys.get(user, keys, expires) : NOTHING;
  try {
    const job = { layout, network, evaluationKeys: held, request: body, beats, signal };
    return await evaluator.infer(job);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}
