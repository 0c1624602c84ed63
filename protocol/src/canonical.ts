/**
 * Canonical CBOR: the deterministic encoding of RFC 8949, section 4.2.1. One value has one encoding,
 * so bytes can be hashed, signed and compared.
 */
import { decode, encode, rfc8949EncodeOptions } from 'cborg';
import { equalBytes } from './bytes.ts';
import { MozaikError } from './errors.ts';
import type { Schema } from './schema.ts';

/** Encodes maps, lists, byte strings, text and integers. */
export function encodeCanonical(value: unknown): Uint8Array {
  return encode(value, rfc8949EncodeOptions);
}

/**
 * Decodes and checks `data` against `schema`. Strict: leftover bytes, duplicate keys, indefinite
 * lengths, floats and any encoding but the canonical one are refused.
 *
 * @param what name of the object, for the error message
 * @throws MozaikError ENCODING_INVALID
 */
export function decodeCanonical<T>(data: Uint8Array, schema: Schema<T>, what: string): T {
  let value: unknown;
  try {
    value = decode(data, { strict: true, allowIndefinite: false, rejectDuplicateMapKeys: true });
  } catch (cause) {
    throw new MozaikError('ENCODING_INVALID', `${what}: not CBOR`, { cause });
  }
  const checked = schema(value, what);
  const canonical = encodeCanonical(checked);
  const same = equalBytes(canonical, data);
  // What is decoded may be a key share: no second copy stays behind.
  canonical.fill(0);
  if (!same) throw new MozaikError('ENCODING_INVALID', `${what}: not in canonical form`);
  return checked;
}
