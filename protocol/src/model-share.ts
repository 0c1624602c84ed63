/**
 * A model dealt to three parties: a public descriptor, signed by the provider, that commits to the
 * three additive shares of the parameters, and one sealed message per party with two of the shares.
 */
import { randomBytes } from '@noble/hashes/utils.js';
import { compareBytes, equalBytes } from './bytes.ts';
import { encodeCanonical } from './canonical.ts';
import { PARTY_COUNT } from './consent.ts';
import { MozaikError } from './errors.ts';
import { hash, HASH_BYTES } from './hash.ts';
import { ID_BYTES } from './identity.ts';
import { bytes, bytesUpTo, integer, list, oneOf, struct, text, type Infer } from './schema.ts';
import { openDecoded, seal, type SealContext, type SealKeys } from './seal.ts';
import { Secret } from './secret.ts';
import { verify, type ObjectType, type Verified } from './signed.ts';

/** Largest share of a model's parameters, bytes: 1 Mi parameters of 4 bytes. */
export const MODEL_SHARE_MAX_BYTES = 4 << 20;
const SALT_BYTES = 32;

const descriptorSchema = struct({
  v: oneOf(1),
  /** Id of the model provider, who signs. */
  provider: bytes(ID_BYTES),
  name: text(64),
  /** Width of each layer, input first. */
  widths: list(integer(1, 4096), 2, 17),
  /** Fractional bits of the weights. */
  fractionBits: integer(4, 12),
  /** Name of each class, in the order of the last layer. */
  classes: list(text(64), 2, 16),
  /** Which classes are an anomaly, by index, ascending. */
  anomalies: list(integer(0, 15), 0, 16),
  /** Ids of the parties that hold shares, in ascending order. */
  parties: list(bytes(ID_BYTES), PARTY_COUNT, PARTY_COUNT),
  /** Salted hash of each of the three shares. */
  commitments: list(bytes(HASH_BYTES), PARTY_COUNT, PARTY_COUNT),
});

export type ModelDescriptor = Infer<typeof descriptorSchema>;

/** Its object hash is the commitment that a consent names. */
export const MODEL: ObjectType<ModelDescriptor> = {
  label: 'mozaik/model/1',
  schema: descriptorSchema,
};

/**
 * Verifies a signed model descriptor: consistent in itself, and signed by its provider.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID
 */
export function verifyModel(data: Uint8Array): Verified<ModelDescriptor> {
  const verified = verify(MODEL, data);
  if (!equalBytes(verified.value.provider, verified.signer)) {
    throw new MozaikError('SIGNATURE_INVALID', 'the model is of another provider');
  }
  checkModel(verified.value);
  return verified;
}

/** @throws MozaikError ENCODING_INVALID when the fields of a descriptor contradict each other. */
export function checkModel(
  model: Pick<ModelDescriptor, 'widths' | 'classes' | 'anomalies' | 'parties'>,
): void {
  const { widths, classes, anomalies, parties } = model;
  const invalid = (reason: string) => new MozaikError('ENCODING_INVALID', `model: ${reason}`);
  if (classes.length !== widths[widths.length - 1]) {
    throw invalid('it does not name as many classes as its last layer has');
  }
  if (!anomalies.every((index, i) => index < classes.length && index > (anomalies[i - 1] ?? -1))) {
    throw invalid('its anomalies are not ascending indices of classes');
  }
  for (let i = 1; i < parties.length; i++) {
    if (compareBytes(parties[i - 1], parties[i]) >= 0) {
      throw invalid('its parties are not distinct and in ascending order');
    }
  }
}

const saltedShare = struct({
  salt: bytes(SALT_BYTES),
  share: bytesUpTo(MODEL_SHARE_MAX_BYTES),
});
const shareSchema = struct({
  v: oneOf(1),
  index: integer(0, PARTY_COUNT - 1),
  first: saltedShare,
  second: saltedShare,
});

/** Two of the three shares, as the party at one position holds them: 32-bit little-endian words. */
export interface ModelShare {
  first: Secret;
  second: Secret;
}

const commit = (salt: Uint8Array, share: Uint8Array): Uint8Array =>
  hash('mozaik/model-share-commitment/1', salt, share);

const context = (commitments: Uint8Array[], party: Uint8Array): SealContext => ({
  label: 'mozaik/model-share/1',
  parts: [...commitments, party],
});

/**
 * Commits to three shares and seals two of them to each party.
 *
 * @param shares three byte strings of equal length
 * @param parties id and pinned seal key of each party, in ascending order of id
 * @throws RangeError for other numbers or lengths
 */
export function sealModelShares(
  shares: Uint8Array[],
  parties: { id: Uint8Array; sealKey: Uint8Array }[],
): { commitments: Uint8Array[]; sealed: Uint8Array[] } {
  const [{ length }] = shares;
  if (shares.length !== PARTY_COUNT || parties.length !== PARTY_COUNT) {
    throw new RangeError('a model has three shares for three parties');
  }
  if (shares.some((share) => share.length !== length)) {
    throw new RangeError('shares have one length');
  }
  const salted = shares.map((share) => ({ salt: randomBytes(SALT_BYTES), share }));
  const commitments = salted.map(({ salt, share }) => commit(salt, share));
  const sealed = parties.map(({ id, sealKey }, index) => {
    const plaintext = encodeCanonical({
      v: 1,
      index,
      first: salted[index],
      second: salted[(index + 1) % PARTY_COUNT],
    });
    const result = seal(sealKey, context(commitments, id), plaintext);
    plaintext.fill(0);
    return result;
  });
  return { commitments, sealed };
}

/**
 * Opens a party's model share and checks it against the descriptor's commitments, so that all parties
 * are certain to compute with the model that the consent names.
 *
 * @param shareBytes expected length of one share
 * @throws MozaikError SHARE_UNREADABLE
 */
export function openModelShare(
  keys: SealKeys,
  descriptor: ModelDescriptor,
  index: number,
  shareBytes: number,
  sealed: Uint8Array,
): ModelShare {
  const { commitments, parties } = descriptor;
  const share = openDecoded(keys, context(commitments, parties[index]), sealed, shareSchema);
  const matches = ({ salt, share: bytes }: { salt: Uint8Array; share: Uint8Array }, at: number) =>
    bytes.length === shareBytes && equalBytes(commit(salt, bytes), commitments[at]);
  if (
    share.index !== index ||
    !matches(share.first, index) ||
    !matches(share.second, (index + 1) % PARTY_COUNT)
  ) {
    share.first.share.fill(0);
    share.second.share.fill(0);
    throw new MozaikError('SHARE_UNREADABLE', 'the model share does not match its commitment');
  }
  return { first: new Secret(share.first.share), second: new Secret(share.second.share) };
}
