/**
 * Result share: what one party seals to the user at the end of a job. Each class bit and margin is
 * split into three shares of which the party holds two; every share has two holders, so the user
 * notices when one of the parties lies.
 */
import { PROTOCOL_NAMES } from './adversary.ts';
import { JOB_MAX_SAMPLES, PARTY_COUNT } from './consent.ts';
import { HASH_BYTES } from './hash.ts';
import { ID_BYTES } from './identity.ts';
import { bytes, bytesUpTo, integer, oneOf, struct, type Infer } from './schema.ts';
import { open, seal, type SealContext, type SealKeys } from './seal.ts';
import { sign, verify, type ObjectType } from './signed.ts';
import type { Identity } from './identity.ts';
import { equalBytes } from './bytes.ts';
import { MozaikError } from './errors.ts';

/** Bytes of one share of a class, one bit for each class (little-endian). */
export const CLASS_SHARE_BYTES = 2;
/** Bytes of one share of a margin: a ring element of 24 bits (little-endian). */
export const MARGIN_SHARE_BYTES = 3;

const schema = struct({
  v: oneOf(1),
  job: bytes(HASH_BYTES),
  consent: bytes(HASH_BYTES),
  party: bytes(ID_BYTES),
  index: integer(0, PARTY_COUNT - 1),
  /** The protocol that ran. */
  protocol: oneOf(...PROTOCOL_NAMES),
  /** For each sample 1 when its tag verified, else 0. */
  authentic: bytesUpTo(JOB_MAX_SAMPLES),
  /** Shares `index` and `index + 1` of the one-hot class, {@link CLASS_SHARE_BYTES} per sample. */
  classFirst: bytesUpTo(JOB_MAX_SAMPLES * CLASS_SHARE_BYTES),
  classSecond: bytesUpTo(JOB_MAX_SAMPLES * CLASS_SHARE_BYTES),
  /** Shares `index` and `index + 1` of the margin, {@link MARGIN_SHARE_BYTES} per sample. */
  marginFirst: bytesUpTo(JOB_MAX_SAMPLES * MARGIN_SHARE_BYTES),
  marginSecond: bytesUpTo(JOB_MAX_SAMPLES * MARGIN_SHARE_BYTES),
});

export type ResultShare = Infer<typeof schema>;

/** Signed by the party, then sealed to the user. */
export const RESULT: ObjectType<ResultShare> = { label: 'mozaik/result/1', schema };

const context = (consent: Uint8Array, job: Uint8Array, party: Uint8Array): SealContext => ({
  label: 'mozaik/sealed-result/1',
  parts: [consent, job, party],
});

/** Signs a result share and seals it to the consent's result key. */
export function sealResult(share: ResultShare, party: Identity, resultKey: Uint8Array): Uint8Array {
  const signed = sign(RESULT, share, party);
  return seal(resultKey, context(share.consent, share.job, share.party), signed);
}

/**
 * Opens the sealed result of one party and checks who made it, for what.
 * @throws MozaikError SHARE_UNREADABLE, ENCODING_INVALID, SIGNATURE_INVALID, RESULT_INVALID
 */
export function openResult(
  keys: SealKeys,
  expected: { consent: Uint8Array; job: Uint8Array; party: Uint8Array; index: number },
  sealed: Uint8Array,
): ResultShare {
  const { consent, job, party, index } = expected;
  const { value, signer } = verify(
    RESULT,
    open(keys, context(consent, job, party), sealed).expose(),
  );
  if (
    !equalBytes(signer, party) ||
    !equalBytes(value.party, party) ||
    !equalBytes(value.consent, consent) ||
    !equalBytes(value.job, job) ||
    value.index !== index
  ) {
    throw new MozaikError('RESULT_INVALID', 'a result is of another party, consent or job');
  }
  return value;
}
