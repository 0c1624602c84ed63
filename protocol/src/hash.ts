/** The one hash of the protocol: SHA-256 over a label and parts, each prefixed with its length. */
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';

export const HASH_BYTES = 32;

const lengthPrefix = (length: number): Uint8Array => {
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(length));
  return prefix;
};

/**
 * SHA-256(len(label) ‖ label ‖ len(part) ‖ part …), lengths as 64-bit big-endian byte counts, so that
 * two different lists of parts never hash the same bytes.
 */
export function hash(label: string, ...parts: Uint8Array[]): Uint8Array {
  const state = sha256.create();
  for (const part of [utf8ToBytes(label), ...parts]) {
    state.update(lengthPrefix(part.length));
    state.update(part);
  }
  return state.digest();
}
