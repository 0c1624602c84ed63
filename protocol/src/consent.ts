/**
 * Consent: what a user allows, to whom, over which data, until when. Signed by the user. Its hash is
 * part of every sealed share, job and result that belongs to it.
 */
import { HOMOMORPHIC, PROTOCOL_NAMES, type ProtocolName } from './adversary.ts';
import { equalBytes, compareBytes } from './bytes.ts';
import { KIND_ECG_BEAT } from './envelope.ts';
import { MozaikError } from './errors.ts';
import { HASH_BYTES } from './hash.ts';
import { ID_BYTES } from './identity.ts';
import { bytes, integer, list, oneOf, struct, type Infer } from './schema.ts';
import { SEAL_PUBLIC_KEY_BYTES } from './seal.ts';
import { verify, type ObjectType, type Verified } from './signed.ts';

export const DEVICE_ID_BYTES = 16;
/** Parties in the replicated sharing. */
export const PARTY_COUNT = 3;
/** How many compute: three parties on shares, or one server on homomorphic ciphertexts. */
export const partyCountOf = (protocol: ProtocolName): number =>
  protocol === HOMOMORPHIC ? 1 : PARTY_COUNT;
/** Length of an epoch by the default clock rule, ms. */
export const EPOCH_MS = 3_600_000;
/** Most epochs in a consent (31 days of hours): bounds sealed shares and a party's memory. */
export const CONSENT_MAX_EPOCHS = 744;
/** Most ranges of sequence numbers in a consent. */
const CONSENT_MAX_RANGES = 1024;

const uint32 = integer(0, 0xffffffff);
const timestamp = integer(0, 2 ** 48 - 1);

const schema = struct({
  v: oneOf(1),
  /** Id of the user, who signs. */
  user: bytes(ID_BYTES),
  device: bytes(DEVICE_ID_BYTES),
  stream: integer(0, 0xffff),
  kind: oneOf(KIND_ECG_BEAT),
  analysis: oneOf('classify-heartbeat'),
  /** Protocol that the user accepts, adversary included. */
  protocol: oneOf(...PROTOCOL_NAMES),
  /**
   * The three parties in ascending order of id, which is also their order in the protocol; on the
   * homomorphic path the one server.
   */
  parties: list(
    struct({
      id: bytes(ID_BYTES),
      /** Hash of the pinned descriptor. */ descriptor: bytes(HASH_BYTES),
    }),
    1,
    PARTY_COUNT,
  ),
  /** Hash of the model descriptor: commits to the model. */
  model: bytes(HASH_BYTES),
  /** X-Wing public key that results are sealed to. */
  resultKey: bytes(SEAL_PUBLIC_KEY_BYTES),
  /** `once`: one job over what is stored; `streaming`: new samples as they arrive. */
  mode: oneOf('once', 'streaming'),
  /** Samples with `from <= time < to` by the device's clock, ms since 1970. */
  from: timestamp,
  to: timestamp,
  /** First epoch whose key is shared, and how many. On the homomorphic path no key is shared. */
  firstEpoch: uint32,
  epochCount: integer(1, CONSENT_MAX_EPOCHS),
  /** Ranges [first, last] of sequence numbers, ascending; empty means all in the window. */
  sequences: list(list(uint32, 2, 2), 0, CONSENT_MAX_RANGES),
  /** In force while `notBefore <= now < expires`, ms since 1970. */
  notBefore: timestamp,
  expires: timestamp,
  /** Random: two consents never have the same hash. */
  nonce: bytes(16),
});

export type Consent = Infer<typeof schema>;

export const CONSENT: ObjectType<Consent> = { label: 'mozaik/consent/1', schema };

/** Most samples that one job may hold: bounds the memory of parties and store. */
export const JOB_MAX_SAMPLES = 16_384;
/**
 * Verifies a signed consent: canonical, signed by its own user, and consistent in itself. Whether it
 * is in force, and for whom, is {@link checkInForce} and the caller.
 *
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID
 */
export function verifyConsent(data: Uint8Array): Verified<Consent> {
  const verified = verify(CONSENT, data);
  const { value, signer } = verified;
  if (!equalBytes(value.user, signer)) {
    throw new MozaikError('SIGNATURE_INVALID', 'the consent is of another user');
  }
  checkConsistent(value);
  return verified;
}

function checkConsistent(consent: Consent): void {
  const { parties, from, to, notBefore, expires, firstEpoch, epochCount, sequences } = consent;
  const invalid = (reason: string) => new MozaikError('ENCODING_INVALID', `consent: ${reason}`);
  if (parties.length !== partyCountOf(consent.protocol)) {
    throw invalid(`${consent.protocol} does not run among ${parties.length}`);
  }
  for (let i = 1; i < parties.length; i++) {
    if (compareBytes(parties[i - 1].id, parties[i].id) >= 0) {
      throw invalid('parties are not distinct and in ascending order');
    }
  }
  if (from >= to) throw invalid('its window is empty');
  if (notBefore >= expires) throw invalid('it is never in force');
  if (firstEpoch + epochCount > 2 ** 32) throw invalid('its epochs end beyond 2^32');
  let previous = -1;
  for (const [first, last] of sequences) {
    if (first <= previous || last < first) throw invalid('its ranges are not ascending');
    previous = last;
  }
}

/** @throws MozaikError CONSENT_EXPIRED before `notBefore` and from `expires` on. */
export function checkInForce(consent: Consent, now: number): void {
  if (now < consent.notBefore || now >= consent.expires) throw new MozaikError('CONSENT_EXPIRED');
}

/** Whether a sequence number is in a range of the consent; without ranges each is. */
export const isListed = ({ sequences }: Consent, sequence: number): boolean =>
  sequences.length === 0 ||
  sequences.some(([first, last]) => sequence >= first && sequence <= last);

/** Whether the consent covers a sample with these header fields. */
export function covers(
  consent: Consent,
  sample: { kind: number; stream: number; epoch: number; time: number; sequence: number },
): boolean {
  return (
    sample.kind === consent.kind &&
    sample.stream === consent.stream &&
    sample.epoch >= consent.firstEpoch &&
    sample.epoch < consent.firstEpoch + consent.epochCount &&
    sample.time >= consent.from &&
    sample.time < consent.to &&
    isListed(consent, sample.sequence)
  );
}

const revocationSchema = struct({
  v: oneOf(1),
  /** Hash of the consent that ends. */
  consent: bytes(HASH_BYTES),
  /** ms since 1970. */
  issued: timestamp,
});

export type Revocation = Infer<typeof revocationSchema>;

/** Signed by the user who gave the consent. */
export const REVOCATION: ObjectType<Revocation> = {
  label: 'mozaik/revocation/1',
  schema: revocationSchema,
};
