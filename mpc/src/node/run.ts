/** One job from announcement to delivery, at one party. */
import type { RunningJob } from '@mozaik/client/job-desk';
import {
  adversaryOf,
  equalBytes,
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
import type { Channel, PartyIndex } from '../engine/channel.ts';
import { classifyBatch, loadModel, type ClassificationShares } from '../engine/classify.ts';
import { Session } from '../engine/session.ts';
import { checkConsent, checkPeer, checkSamples } from './assignment.ts';
import type { Backend } from './backend.ts';
import type { Models, OpenedModel } from './models.ts';
import type { Peers } from './peers.ts';
import { Phases } from './phases.ts';
import type { PartyKeys, Revocations } from './state.ts';

/** What a party brings to every job. */
export interface Workplace {
  keys: PartyKeys;
  /** This party's descriptor, signed, and its hash. */
  descriptor: { signed: Uint8Array; hash: Uint8Array };
  backend: Backend;
  models: Models;
  peers: Peers;
  revocations: Revocations;
  peerTimeoutMs: number;
  now: () => number;
}

export interface JobReport {
  samples: number;
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
    const peers = await workplace.peers.connect({
      job: job.job,
      index,
      parties,
      timeoutMs,
      signal,
    });
    try {
      const { channel } = peers;
      const started = performance.now();
      const inputs = inputsHash(envelopes);
      await agree(channel, hash('mozaik/agreement/1', jobHash(job), signedConsent, inputs));
      const phases = new Phases();
      const result = await compute(channel, model, samples, share, consent.value, phases);
      const phasesUs = phases.end();
      const statistics: RunStatistics = {
        rounds: channel.meter.rounds,
        bytesSent: channel.meter.bytesSent,
        durationUs: Math.round((performance.now() - started) * 1000),
      };
      let sealed: Uint8Array;
      try {
        peers.finish();
        signal.throwIfAborted();
        sealed = sealShares(keys, job, consent.value, index, result);
      } finally {
        for (const { first, second } of [result.class, result.margin]) {
          first.fill(0);
          second.fill(0);
        }
      }
      await backend.deliver(job.job, sealed, statistics);
      return { samples: samples.length, statistics, phasesUs };
    } finally {
      peers.close();
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

/**
 * Makes sure that all three parties hold the same job, consent and ciphertexts.
 * @throws MozaikError INPUTS_DIFFER
 */
async function agree(channel: Channel, view: Uint8Array): Promise<void> {
  const previous = await channel.rotate('next', view, view.length);
  const next = await channel.rotate('previous', view, view.length);
  if (!equalBytes(previous, view) || !equalBytes(next, view))
    throw new MozaikError('INPUTS_DIFFER');
}

async function compute(
  channel: Channel,
  { descriptor, share }: OpenedModel,
  samples: Sample[],
  keys: KeyShare,
  { firstEpoch, protocol }: Consent,
  phases: Phases,
): Promise<ClassificationShares> {
  const session = await Session.open(channel);
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
    return await classifyBatch(session, model, beats, adversaryOf(protocol), (phase) =>
      phases.begin(phase),
    );
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
