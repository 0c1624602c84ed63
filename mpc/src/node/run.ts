/** One job from announcement to delivery, at one party. */
import type { RunningJob } from '@mozaik/client/job-desk';
import type { Revocations } from '@mozaik/client/revocations';
import {
  adversaryOf,
  hash,
  inputsHash,
  jobHash,
  KEY_BYTES,
  MozaikError,
  openKeyShare,
  sealResult,
  toHex,
  type Consent,
  type Job,
  type KeyShare,
  type PartyDescriptor,
  type RunStatistics,
  type Sample,
} from '@mozaik/protocol';
import type { PartyIndex } from '../engine/channel.ts';
import { classifyBatch, loadModel, type ClassificationShares } from '../engine/classify.ts';
import { Session } from '../engine/session.ts';
import type { Prepared } from '../engine/verified-classify.ts';
import { checkConsent, checkPeer, checkSamples } from './assignment.ts';
import type { Backend } from './backend.ts';
import { meet } from './meeting.ts';
import type { Models, OpenedModel } from './models.ts';
import type { Peers } from './peers.ts';
import { Phases } from './phases.ts';
import type { Pool } from './pool.ts';
import type { PartyKeys } from './state.ts';

/** What a party brings to every job. */
export interface Workplace {
  keys: PartyKeys;
  /** This party's descriptor, signed, and its hash. */
  descriptor: { signed: Uint8Array; hash: Uint8Array };
  backend: Backend;
  models: Models;
  peers: Peers;
  pool: Pool;
  revocations: Revocations;
  peerTimeoutMs: number;
  now: () => number;
}

export interface JobReport {
  samples: number;
  /** Of the job alone: what the pool had made ahead is in its own metrics. */
  statistics: RunStatistics;
  /** Microseconds in each phase. */
  phasesUs: Record<string, number>;
}

/**
 * Fetches and checks everything, computes with the two peers, delivers the sealed result. Key shares
 * are wiped whatever happens.
 *
 * @param id job id, hexadecimal
 * @throws MozaikError with the code to report to the backend
 */
export async function runJob(
  workplace: Workplace,
  id: string,
  running: RunningJob,
): Promise<JobReport> {
  const { backend, keys, revocations, descriptor, now } = workplace;
  const me = keys.identity.id;
  const { signal } = running.abort;
  const job = await backend.job(id);
  if (toHex(job.job) !== id) throw new MozaikError('CONSENT_MISMATCH', 'the job has another id');
  const signedConsent = await backend.consent(job.consent);
  const { consent, index } = checkConsent(signedConsent, job, me, descriptor.hash, now());
  running.consent = { hash: consent.hash, user: consent.value.user };
  if (revocations.has(consent.hash, consent.value.user)) throw new MozaikError('CONSENT_REVOKED');
  const [parties, model, envelopes, sealedKey] = await Promise.all([
    pinnedParties(workplace, consent.value, index),
    workplace.models.get(consent.value, index),
    backend.samples(job.job),
    backend.keyShare(consent.hash),
  ]);
  const samples = checkSamples(envelopes, job, consent.value);
  const { epochCount } = consent.value;
  const share = openKeyShare(keys.seal, consent.hash, me, index, epochCount, sealedKey);
  try {
    signal.throwIfAborted();
    const { peerTimeoutMs: timeoutMs } = workplace;
    const request = { job: job.job, index, parties, timeoutMs, signal };
    const inputs = inputsHash(envelopes);
    const view = hash('mozaik/agreement/1', jobHash(job), signedConsent, inputs);
    const { connection, contents, started } = await meet(workplace, request, consent.hash, view);
    const { channel } = connection;
    const goesOn = consent.value.mode === 'streaming';
    let isKept = false;
    try {
      const phases = new Phases();
      const session = contents?.session ?? (await Session.open(channel));
      const result = await compute(
        session,
        contents?.prepared,
        model,
        samples,
        share,
        consent.value,
        phases,
      );
      const phasesUs = phases.end();
      const statistics: RunStatistics = {
        rounds: channel.meter.rounds,
        bytesSent: channel.meter.bytesSent,
        durationUs: Math.round((performance.now() - started) * 1000),
      };
      let sealed: Uint8Array;
      try {
        // Where peers go on, one of them may have begun to make the next session.
        if (!goesOn) connection.finish();
        signal.throwIfAborted();
        sealed = sealShares(keys, job, consent.value, index, result);
      } finally {
        for (const { first, second } of [result.class, result.margin]) {
          first.fill(0);
          second.fill(0);
        }
      }
      await backend.deliver(job.job, sealed, statistics);
      if (goesOn && !signal.aborted) {
        isKept = true;
        workplace.pool.add(connection, {
          job: job.job,
          consent: { hash: consent.hash, user: consent.value.user, expires: consent.value.expires },
          architecture: model.descriptor,
          adversary: adversaryOf(consent.value.protocol),
          beats: samples.length,
        });
      }
      return { samples: samples.length, statistics, phasesUs };
    } finally {
      if (!isKept) connection.close();
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    share.first.wipe();
    share.second.wipe();
  }
}

/** Descriptors of all three parties, each the one that the consent pins. */
function pinnedParties(
  { backend, descriptor }: Workplace,
  consent: Consent,
  index: PartyIndex,
): Promise<PartyDescriptor[]> {
  return Promise.all(
    consent.parties.map(async ({ id }, position) => {
      const signed = position === index ? descriptor.signed : await backend.descriptor(id);
      return checkPeer(signed, consent, position);
    }),
  );
}

/** Runs the analysis; whatever happens, the session is wiped. */
async function compute(
  session: Session,
  prepared: Prepared | undefined,
  { descriptor, share }: OpenedModel,
  samples: Sample[],
  keys: KeyShare,
  { firstEpoch, protocol }: Consent,
  phases: Phases,
): Promise<ClassificationShares> {
  try {
    const model = loadModel(session, descriptor, {
      first: share.first.expose(),
      second: share.second.expose(),
    });
    const beats = samples.map((sample) => {
      const at = (sample.epoch - firstEpoch) * KEY_BYTES;
      return {
        ...sample,
        key: {
          first: keys.first.expose().subarray(at, at + KEY_BYTES),
          second: keys.second.expose().subarray(at, at + KEY_BYTES),
        },
      };
    });
    const onPhase = (phase: string) => phases.begin(phase);
    return await classifyBatch(session, model, beats, adversaryOf(protocol), onPhase, prepared);
  } finally {
    session.close();
  }
}

/** Signs and seals this party's shares to the user. */
function sealShares(
  keys: PartyKeys,
  job: Job,
  consent: Consent,
  index: PartyIndex,
  shares: ClassificationShares,
): Uint8Array {
  return sealResult(
    {
      v: 1,
      job: jobHash(job),
      consent: job.consent,
      party: keys.identity.id,
      index,
      protocol: consent.protocol,
      authentic: shares.authentic,
      classFirst: shares.class.first,
      classSecond: shares.class.second,
      marginFirst: shares.margin.first,
      marginSecond: shares.margin.second,
    },
    keys.identity,
    consent.resultKey,
  );
}
