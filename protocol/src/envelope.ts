/**
 * The sample envelope: one encrypted window as a board publishes it and the store keeps it.
 *
 * Boards run this file, so it stays within the language subset that Espruino understands: no
 * imports, no default or rest parameters, no destructuring, and everything defined before use.
 *
 * Layout, integers big-endian:
 *
 * | offset | bytes | field    | meaning                                                            |
 * | ------ | ----- | -------- | ------------------------------------------------------------------ |
 * | 0      | 1     | version  | 1                                                                  |
 * | 1      | 1     | suite    | cipher suite, {@link SUITE_ASCON_AEAD128}                          |
 * | 2      | 1     | kind     | what the plaintext is, {@link KIND_ECG_BEAT}                       |
 * | 3      | 1     | reserved | 0                                                                  |
 * | 4      | 4     | epoch    | number of the epoch key                                            |
 * | 8      | 6     | time     | the device's clock at the R peak, ms since 1970-01-01T00:00Z       |
 * | 14     | 2     | stream   | stream number on this device                                       |
 * | 16     | 4     | sequence | sample number on this device, from the nonce ledger, never reused  |
 * | 20     | 10    | boot     | salt drawn when the board started                                  |
 * | 30     | n     | body     | ciphertext, as long as the plaintext of this kind                  |
 * | 30 + n | 16    | tag      | authentication tag                                                 |
 *
 * The cipher's associated data are bytes 0..13 and its nonce is bytes 14..29, so that every byte of
 * the header is authenticated and none is sent twice. The user's, the device's and the stream's
 * identity are bound through the epoch key (see the firmware's `epochKey`).
 */

/** The only version of this layout. */
export const ENVELOPE_VERSION = 1;
/** Ascon-AEAD128, NIST SP 800-232. */
export const SUITE_ASCON_AEAD128 = 1;
/** One heartbeat: 187 unsigned 8-bit samples at 125 Hz. */
export const KIND_ECG_BEAT = 1;
/** Up to 93 beat-to-beat intervals of an optical sensor, in as many bytes as a heartbeat. */
export const KIND_INTERVALS = 2;

/** Samples in one heartbeat window. */
export const BEAT_SAMPLES = 187;
/** Sampling rate of a heartbeat window, Hz. */
export const BEAT_RATE_HZ = 125;

export const HEADER_BYTES = 30;
/** Header bytes 0..13 are the cipher's associated data. */
export const ASSOCIATED_DATA_BYTES = 14;
/** Header bytes 14..29 are the cipher's nonce. */
export const NONCE_BYTES = 16;
export const TAG_BYTES = 16;
export const BOOT_SALT_BYTES = 10;
/** Whole envelope of one heartbeat, bytes. */
export const BEAT_ENVELOPE_BYTES = HEADER_BYTES + BEAT_SAMPLES + TAG_BYTES;

/** The header's fields. `time` is in milliseconds since 1970, at most 2^48 - 1. */
export interface EnvelopeHeader {
  suite: number;
  kind: number;
  epoch: number;
  time: number;
  stream: number;
  sequence: number;
  /** {@link BOOT_SALT_BYTES} bytes. */
  boot: Uint8Array;
}

function isWhole(value: number, max: number): boolean {
  return value >= 0 && value <= max && Math.floor(value) === value;
}

/** Writes `value` big-endian into `out[at .. at + bytes)`. */
function putInteger(out: Uint8Array, at: number, bytes: number, value: number): void {
  for (let i = at + bytes - 1; i >= at; i--) {
    out[i] = value % 256;
    value = Math.floor(value / 256);
  }
}

/**
 * Writes a header into `out[0 .. HEADER_BYTES)`.
 *
 * @throws Error when a field is out of its range: nothing is written truncated.
 */
export function writeHeader(out: Uint8Array, header: EnvelopeHeader): void {
  if (
    !isWhole(header.suite, 0xff) ||
    !isWhole(header.kind, 0xff) ||
    !isWhole(header.epoch, 0xffffffff) ||
    !isWhole(header.sequence, 0xffffffff) ||
    !isWhole(header.stream, 0xffff) ||
    !isWhole(header.time, 281474976710655) ||
    header.boot.length !== BOOT_SALT_BYTES
  ) {
    throw new Error('envelope header: a field is out of range');
  }
  out[0] = ENVELOPE_VERSION;
  out[1] = header.suite;
  out[2] = header.kind;
  out[3] = 0;
  putInteger(out, 4, 4, header.epoch);
  putInteger(out, 8, 6, header.time);
  putInteger(out, 14, 2, header.stream);
  putInteger(out, 16, 4, header.sequence);
  out.set(header.boot, 20);
}
