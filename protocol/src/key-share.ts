/**
 * Sealed key shares. Every epoch key is the XOR of three random shares; the party at index i holds
 * shares i and i + 1 (mod 3), so any two parties hold the key and one alone holds noise.
 */
import { concatBytes, randomBytes } from '@noble/hashes/utils.js';
import { encodeCanonical } from './canonical.ts';
import { CONSENT_MAX_EPOCHS, PARTY_COUNT } from './consent.ts';
import { MozaikError } from './errors.ts';
import { bytesUpTo, integer, oneOf, struct } from './schema.ts';
import { openDecoded, seal, SEAL_OVERHEAD_BYTES, type SealContext, type SealKeys } from './seal.ts';
import { Secret } from './secret.ts';

export const KEY_BYTES = 16;

const schema = struct({
  v: oneOf(1),
  /** Position of the party in the consent. */
  index: integer(0, PARTY_COUNT - 1),
  /** Share `index` of each epoch key, in the order of epochs. */
  first: bytesUpTo(CONSENT_MAX_EPOCHS * KEY_BYTES),
  /** Share `index + 1` of each epoch key. */
  second: bytesUpTo(CONSENT_MAX_EPOCHS * KEY_BYTES),
});

/** Largest sealed share, bytes. */
export const SEALED_SHARE_MAX_BYTES = SEAL_OVERHEAD_BYTES + 2 * CONSENT_MAX_EPOCHS * KEY_BYTES + 64;

/** A party's shares of the epoch keys of a consent: {@link KEY_BYTES} bytes for each epoch. */
export interface KeyShare {
  first: Secret;
  second: Secret;
}

const context = (consentHash: Uint8Array, party: Uint8Array): SealContext => ({
  label: 'mozaik/key-share/1',
  parts: [consentHash, party],
});

/**
 * Shares `keys` among three parties and seals one share to each.
 *
 * @param keys epoch keys in the order of epochs, {@link KEY_BYTES} bytes each
 * @param parties id and pinned seal key of each party, in the consent's order
 * @returns sealed shares in the order of the parties
 * @throws RangeError for another number of parties or another length of a key
 */
export function sealKeyShares(
  keys: Uint8Array[],
  consentHash: Uint8Array,
  parties: { id: Uint8Array; sealKey: Uint8Array }[],
): Uint8Array[] {
  if (parties.length !== PARTY_COUNT) throw new RangeError('a key is shared among three parties');
  if (keys.some((key) => key.length !== KEY_BYTES)) throw new RangeError('a key has 16 bytes');
  const joined = concatBytes(...keys);
  const shares = [randomBytes(joined.length), randomBytes(joined.length), joined];
  for (let i = 0; i < joined.length; i++) joined[i] ^= shares[0][i] ^ shares[1][i];
  const sealed = parties.map(({ id, sealKey }, index) => {
    const plaintext = encodeCanonical({
      v: 1,
      index,
      first: shares[index],
      second: shares[(index + 1) % PARTY_COUNT],
    });
    const result = seal(sealKey, context(consentHash, id), plaintext);
    plaintext.fill(0);
    return result;
  });
  for (const share of shares) share.fill(0);
  return sealed;
}

/**
 * Opens a party's sealed share.
 * @throws MozaikError SHARE_UNREADABLE when it was sealed for another key, consent, party, position or
 *   number of epochs
 */
export function openKeyShare(
  keys: SealKeys,
  consentHash: Uint8Array,
  party: Uint8Array,
  index: number,
  epochCount: number,
  sealed: Uint8Array,
): KeyShare {
  const share = openDecoded(keys, context(consentHash, party), sealed, schema);
  const length = epochCount * KEY_BYTES;
  if (share.index !== index || share.first.length !== length || share.second.length !== length) {
    share.first.fill(0);
    share.second.fill(0);
    throw new MozaikError('SHARE_UNREADABLE', 'the share is for another position or window');
  }
  return { first: new Secret(share.first), second: new Secret(share.second) };
}
