/** Checks of a model descriptor that signature and schema alone do not make. */
import {
  compareBytes,
  equalBytes,
  MODEL,
  MozaikError,
  toHex,
  verify,
  type ModelDescriptor,
  type Verified,
} from '@mozaik/protocol';

/**
 * Verifies a signed model descriptor: its provider signed it, and it is the one with this hash.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID; MODEL_UNKNOWN when it is another model
 */
export function verifyModel(signed: Uint8Array, hash: Uint8Array): Verified<ModelDescriptor> {
  const verified = verify(MODEL, signed);
  if (!equalBytes(verified.value.provider, verified.signer)) {
    throw new MozaikError('SIGNATURE_INVALID', 'the model is of another provider');
  }
  if (!equalBytes(verified.hash, hash)) {
    throw new MozaikError('MODEL_UNKNOWN', `asked for ${toHex(hash)}, got another model`);
  }
  checkModel(verified.value);
  return verified;
}

/** @throws MozaikError ENCODING_INVALID when the fields of a descriptor contradict each other. */
export function checkModel(model: ModelDescriptor): void {
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
