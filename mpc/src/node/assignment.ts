/**
 * What a party checks before it computes, all by itself: the backend that brings a job is trusted for
 * nothing but delivery.
 */
import {
  BEAT_SAMPLES,
  checkInForce,
  covers,
  decodeSample,
  equalBytes,
  MozaikError,
  toHex,
  verifyConsent,
  verifyModel,
  verifyParty,
  type Consent,
  type Job,
  type ModelDescriptor,
  type PartyDescriptor,
  type Sample,
  type Verified,
} from '@mozaik/protocol';
import type { PartyIndex } from '../engine/channel.ts';
import { checkArchitecture } from '../model.ts';

const mismatch = (reason: string) => new MozaikError('CONSENT_MISMATCH', reason);

/**
 * Verifies the consent of a job and finds this party's place in it.
 *
 * @param signed the consent as fetched
 * @param descriptor hash of this party's current descriptor
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID, CONSENT_EXPIRED, CONSENT_MISMATCH,
 *   PARTY_NOT_PINNED
 */
export function checkConsent(
  signed: Uint8Array,
  job: Job,
  me: Uint8Array,
  descriptor: Uint8Array,
  now: number,
): { consent: Verified<Consent>; index: PartyIndex } {
  const consent = verifyConsent(signed);
  if (!equalBytes(consent.hash, job.consent)) throw mismatch('the consent is another one');
  checkInForce(consent.value, now);
  const index = consent.value.parties.findIndex(({ id }) => equalBytes(id, me));
  if (index < 0) throw mismatch('this party is not named in it');
  if (!equalBytes(consent.value.parties[index].descriptor, descriptor)) {
    throw new MozaikError('PARTY_NOT_PINNED', 'the consent pins an older descriptor of this party');
  }
  return { consent, index: index as PartyIndex };
}

/**
 * Verifies the descriptor of a peer against the one that the consent pins.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID, PARTY_NOT_PINNED
 */
export function checkPeer(signed: Uint8Array, consent: Consent, position: number): PartyDescriptor {
  const pinned = consent.parties[position];
  const { value, hash } = verifyParty(signed);
  if (!equalBytes(value.party, pinned.id) || !equalBytes(hash, pinned.descriptor)) {
    throw new MozaikError('PARTY_NOT_PINNED', toHex(pinned.id));
  }
  return value;
}

/**
 * Verifies the model that the consent names.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID, CONSENT_MISMATCH
 */
export function checkModel(signed: Uint8Array, consent: Consent): ModelDescriptor {
  const { value, hash } = verifyModel(signed);
  if (!equalBytes(hash, consent.model)) throw mismatch('the model is another one');
  if (!value.parties.every((id, i) => equalBytes(id, consent.parties[i].id))) {
    throw mismatch('the model was dealt to other parties');
  }
  if (value.widths[0] !== BEAT_SAMPLES) {
    throw mismatch('the model does not take heartbeats of 187 samples');
  }
  try {
    checkArchitecture(value);
  } catch (cause) {
    throw new MozaikError('CONSENT_MISMATCH', 'the model is not one that can be computed', {
      cause,
    });
  }
  return value;
}

/**
 * Decodes the samples of a job and checks that they are the ones it lists and the consent covers.
 * @throws MozaikError ENVELOPE_MALFORMED, ENVELOPE_VERSION, CONSENT_MISMATCH
 */
export function checkSamples(envelopes: Uint8Array[], job: Job, consent: Consent): Sample[] {
  if (envelopes.length !== job.sequences.length) throw mismatch('the number of samples differs');
  return envelopes.map((envelope, n) => {
    const sample = decodeSample(envelope);
    if (sample.sequence !== job.sequences[n])
      throw mismatch('a sample has another sequence number');
    if (n > 0 && sample.sequence <= job.sequences[n - 1])
      throw mismatch('samples are not ascending');
    if (!covers(consent, sample)) throw mismatch(`sample ${sample.sequence} is not covered`);
    return sample;
  });
}
