/** Small helpers on bytes, for Node and browsers alike. */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { MozaikError } from './errors.ts';

export const toHex = bytesToHex;

/**
 * Strict inverse of {@link toHex}: lower-case, exactly `length` bytes.
 * @throws MozaikError ENCODING_INVALID
 */
export function fromHex(text: string, length: number): Uint8Array {
  if (text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) {
    throw new MozaikError('ENCODING_INVALID', `expected ${length} bytes in lower-case hexadecimal`);
  }
  return hexToBytes(text);
}

/** Equality of public values; use {@link equalSecret} where either is secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Constant-time equality: its time depends on the lengths alone. */
export function equalSecret(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

/** Lexicographic order of byte strings, negative when `a` comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const common = Math.min(a.length, b.length);
  for (let i = 0; i < common; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}
