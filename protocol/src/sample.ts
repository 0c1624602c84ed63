/** Strict decoding of sample envelopes, for the store and the parties (boards only write them). */
import {
  ASSOCIATED_DATA_BYTES,
  BEAT_SAMPLES,
  ENVELOPE_VERSION,
  HEADER_BYTES,
  KIND_ECG_BEAT,
  KIND_INTERVALS,
  NONCE_BYTES,
  SUITE_ASCON_AEAD128,
  TAG_BYTES,
  type EnvelopeHeader,
} from './envelope.ts';
import { MozaikError } from './errors.ts';

/** Plaintext bytes of each kind of sample. */
const BODY_BYTES = new Map([
  [KIND_ECG_BEAT, BEAT_SAMPLES],
  [KIND_INTERVALS, BEAT_SAMPLES],
]);

/** Largest envelope of any known kind, bytes. */
export const ENVELOPE_MAX_BYTES = HEADER_BYTES + Math.max(...BODY_BYTES.values()) + TAG_BYTES;

/** A decoded envelope. Byte fields are views into the envelope. */
export interface Sample extends EnvelopeHeader {
  associatedData: Uint8Array;
  nonce: Uint8Array;
  ciphertext: Uint8Array;
  tag: Uint8Array;
}

/**
 * @throws MozaikError ENVELOPE_MALFORMED for a wrong length or reserved byte, ENVELOPE_VERSION for an
 *   unknown version, suite or kind
 */
export function decodeSample(envelope: Uint8Array): Sample {
  if (envelope.length < HEADER_BYTES + TAG_BYTES) {
    throw new MozaikError('ENVELOPE_MALFORMED', `${envelope.length} bytes are too few`);
  }
  const view = new DataView(envelope.buffer, envelope.byteOffset, envelope.byteLength);
  const [version, suite, kind, reserved] = envelope;
  const bodyBytes = BODY_BYTES.get(kind);
  if (version !== ENVELOPE_VERSION || suite !== SUITE_ASCON_AEAD128 || bodyBytes === undefined) {
    throw new MozaikError('ENVELOPE_VERSION', `version ${version}, suite ${suite}, kind ${kind}`);
  }
  const tagOffset = HEADER_BYTES + bodyBytes;
  if (envelope.length !== tagOffset + TAG_BYTES) {
    throw new MozaikError('ENVELOPE_MALFORMED', `${envelope.length} bytes for kind ${kind}`);
  }
  if (reserved !== 0) throw new MozaikError('ENVELOPE_MALFORMED', 'the reserved byte is not 0');
  return {
    suite,
    kind,
    epoch: view.getUint32(4),
    time: view.getUint16(8) * 2 ** 32 + view.getUint32(10),
    stream: view.getUint16(14),
    sequence: view.getUint32(16),
    boot: envelope.subarray(20, HEADER_BYTES),
    associatedData: envelope.subarray(0, ASSOCIATED_DATA_BYTES),
    nonce: envelope.subarray(ASSOCIATED_DATA_BYTES, ASSOCIATED_DATA_BYTES + NONCE_BYTES),
    ciphertext: envelope.subarray(HEADER_BYTES, tagOffset),
    tag: envelope.subarray(tagOffset),
  };
}
