/** The model that a user asked for. */
import {
  equalBytes,
  MozaikError,
  toHex,
  verifyAnyModel,
  type AnyModelDescriptor,
  type Verified,
} from '@mozaik/protocol';

/**
 * Verifies a signed model descriptor and that it is the one with this hash.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID; MODEL_UNKNOWN when it is another model
 */
export function expectModel(signed: Uint8Array, hash: Uint8Array): Verified<AnyModelDescriptor> {
  const verified = verifyAnyModel(signed);
  if (!equalBytes(verified.hash, hash)) {
    throw new MozaikError('MODEL_UNKNOWN', `asked for ${toHex(hash)}, got another model`);
  }
  return verified;
}
