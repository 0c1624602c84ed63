/** Giving and revoking consent. */
import {
  CONSENT,
  CONSENT_MAX_EPOCHS,
  consentSubmission,
  compareBytes,
  encodeCanonical,
  EPOCH_MS,
  equalBytes,
  HOMOMORPHIC,
  isSealedModel,
  KIND_ECG_BEAT,
  MozaikError,
  REVOCATION,
  sealKeyShares,
  sign,
  toHex,
  verifyConsent,
  type Consent,
  PROTOCOLS,
  type Adversary,
} from '@mozaik/protocol';
import type { Api } from './api.ts';
import { epochKeys, type Device } from './device.ts';
import { expectModel } from './model.ts';
import type { Pin, Pins } from './pins.ts';
import { randomBytes } from './random.ts';
import type { User } from './user.ts';

const DAY_MS = 86_400_000;
/** A party whose clock is this far behind ours still accepts a consent at once, ms. */
const CLOCK_SKEW_MS = 60_000;
/** By default, how long after it was given a one-off consent may be used, ms. */
export const ONCE_LIFETIME_MS = DAY_MS;
/** By default, how long after the end of its window a streaming consent takes late samples, ms. */
export const LATE_SAMPLES_MS = DAY_MS;
const NONCE_BYTES = 16;

/** What the user allows. Times are in ms since 1970. */
export interface ConsentRequest {
  /** `once`: one job over what is stored; `streaming`: new samples as they arrive. */
  mode: 'once' | 'streaming';
  stream: number;
  /** Samples with `from <= time < to` by the device's clock. */
  from: number;
  to: number;
  /** Ranges [first, last] of sequence numbers, ascending; all in the window when left out. */
  sequences?: [number, number][];
  /**
   * Ids of three pinned parties, in any order; or of one pinned server, who computes on homomorphic
   * ciphertexts that the user's own agent makes.
   */
  parties: Uint8Array[];
  /** Hash of the model descriptor. */
  model: Uint8Array;
  /** What a protocol among three parties must withstand; by default a malicious party. */
  adversary?: Adversary;
  /** By default a minute ago, for clocks that are behind. */
  notBefore?: number;
  /** By default a day from now (`once`) or a day after `to` (`streaming`). */
  expires?: number;
}

/** A consent that is ready to be handed in. */
export interface PreparedConsent {
  consent: Consent;
  /** Its hash, under which it is known from now on. */
  hash: Uint8Array;
  /** Encoded `consentSubmission`: the signed consent and the sealed key shares. */
  submission: Uint8Array;
}

/**
 * The epochs that intersect the window [from, to), by the clock rule: exactly their keys are shared.
 */
export function epochsOf(from: number, to: number): { firstEpoch: number; epochCount: number } {
  const firstEpoch = Math.floor(from / EPOCH_MS);
  return { firstEpoch, epochCount: Math.ceil(to / EPOCH_MS) - firstEpoch };
}

/**
 * Builds and signs a consent, and for three parties seals a share of every epoch key of its window to
 * each. Nothing is sent.
 *
 * @param signedModel the signed model descriptor, from anywhere: it is verified
 * @param now ms since 1970
 * @throws MozaikError PARTY_NOT_PINNED; MODEL_UNKNOWN when the model is another one or is not dealt to
 *   these parties; REQUEST_INVALID when the window has too many epochs; ENCODING_INVALID when the
 *   request contradicts itself; SIGNATURE_INVALID
 */
export async function prepareConsent(
  user: User,
  device: Device,
  pins: Pins,
  signedModel: Uint8Array,
  request: ConsentRequest,
  now = Date.now(),
): Promise<PreparedConsent> {
  const ids = [...request.parties].sort(compareBytes);
  const isHomomorphic = ids.length === 1;
  const parties = await Promise.all(
    ids.map((id) => (isHomomorphic ? pins.server(id) : pins.party(id))),
  );
  const model = expectModel(signedModel, request.model);
  const dealt = model.value.parties;
  if (
    isSealedModel(model.value) !== isHomomorphic ||
    ids.length !== dealt.length ||
    !ids.every((id, i) => equalBytes(id, dealt[i]))
  ) {
    throw new MozaikError('MODEL_UNKNOWN', `${toHex(request.model)} is dealt to other parties`);
  }

  const { mode, stream, from, to } = request;
  const { firstEpoch, epochCount } = epochsOf(from, to);
  if (epochCount > CONSENT_MAX_EPOCHS) {
    throw new MozaikError(
      'REQUEST_INVALID',
      `the window has ${epochCount} epochs, at most ${CONSENT_MAX_EPOCHS} are allowed`,
    );
  }
  const end = mode === 'once' ? now + ONCE_LIFETIME_MS : to + LATE_SAMPLES_MS;
  const consent: Consent = {
    v: 1,
    user: user.identity.id,
    device: device.id,
    stream,
    kind: KIND_ECG_BEAT,
    analysis: 'classify-heartbeat',
    protocol: isHomomorphic ? HOMOMORPHIC : PROTOCOLS[request.adversary ?? 'malicious'],
    parties: parties.map(({ value, hash }) => ({ id: value.party, descriptor: hash })),
    model: model.hash,
    resultKey: user.resultKeys.publicKey,
    mode,
    from,
    to,
    firstEpoch,
    epochCount,
    sequences: request.sequences ?? [],
    notBefore: request.notBefore ?? now - CLOCK_SKEW_MS,
    expires: request.expires ?? end,
    nonce: randomBytes(NONCE_BYTES),
  };
  const signed = sign(CONSENT, consent, user.identity);
  // The check that parties make, so that a consent which they would refuse never leaves the user.
  const { hash } = verifyConsent(signed);

  // A server of homomorphic ciphertexts gets no key of the device.
  const shares = isHomomorphic ? [] : sealShares(user, device, { consent, hash }, parties);
  const submission = encodeCanonical(
    consentSubmission({ v: 1, consent: signed, shares }, 'consent submission'),
  );
  return { consent, hash, submission };
}

/** A share of every epoch key of a consent's window for each party. */
function sealShares(
  user: User,
  device: Device,
  { consent, hash }: Pick<PreparedConsent, 'consent' | 'hash'>,
  parties: Pin[],
): Uint8Array[] {
  const { stream, firstEpoch, epochCount } = consent;
  const keys = epochKeys(user.identity.id, device, stream, firstEpoch, epochCount);
  const recipients = parties.map(({ value }) => ({ id: value.party, sealKey: value.sealKey }));
  const shares = sealKeyShares(keys, hash, recipients);
  for (const key of keys) key.fill(0);
  return shares;
}

/**
 * Fetches the model's descriptor, prepares the consent and hands it in. Returns its hash.
 * @throws MozaikError as {@link prepareConsent} and {@link Api}
 */
export async function giveConsent(
  api: Api,
  user: User,
  device: Device,
  pins: Pins,
  request: ConsentRequest,
  now = Date.now(),
): Promise<Uint8Array> {
  const signedModel = await api.model(request.model);
  const prepared = await prepareConsent(user, device, pins, signedModel, request, now);
  const accepted = await api.submitConsent(prepared.submission);
  if (!equalBytes(accepted, prepared.hash)) {
    throw new MozaikError('ENCODING_INVALID', 'the backend confirmed another consent');
  }
  return prepared.hash;
}

/** Ends a consent: its sealed shares are deleted and its jobs stop. */
export async function revokeConsent(
  api: Api,
  user: User,
  consent: Uint8Array,
  now = Date.now(),
): Promise<void> {
  await api.submitRevocation(sign(REVOCATION, { v: 1, consent, issued: now }, user.identity));
}
