/**
 * Keys and identities of a device, both derived from its 16-byte master key.
 *
 * Each is the tag of Ascon-AEAD128 on an empty plaintext, a pseudorandom function of nonce and
 * associated data as long as no nonce repeats under one master key. The nonces are the ASCII text
 * `mozaik-device-id`, or `mozaik-k` followed by stream and epoch, so that they are all different.
 * User and device are associated data of the epoch key: a sample that is relabelled with another
 * user, device, stream or epoch is opened with another key, and fails.
 */
import { AsconAead128, KEY_BYTES, TAG_BYTES } from './ascon.ts';
import { ascii, putU32 } from './bytes.ts';

export const USER_ID_BYTES = 32;
export const DEVICE_ID_BYTES = TAG_BYTES;
/** Length of an epoch, ms: the grain in which a wearer can consent. */
export const EPOCH_MS = 3600000;

const DEVICE_NONCE = 'mozaik-device-id';
const EPOCH_LABEL = 'mozaik-k';

/** Number of the epoch that holds the instant `timeMs`, ms since 1970. */
export function epochOf(timeMs: number): number {
  return Math.floor(timeMs / EPOCH_MS);
}

/** The device's 16-byte id. It is public and reveals nothing about the master key. */
export function deviceId(masterKey: Uint8Array): Uint8Array {
  const id = new Uint8Array(DEVICE_ID_BYTES);
  const empty = new Uint8Array(0);
  new AsconAead128().encrypt(masterKey, ascii(DEVICE_NONCE), empty, empty, id);
  return id;
}

/**
 * The 16-byte key of one epoch of one stream. The caller wipes it after use.
 *
 * @param userId 32 bytes.
 * @param device 16 bytes, see {@link deviceId}.
 * @param stream stream number, u16 as in the envelope (encoded in 32 bits here).
 * @param epoch epoch number, u32, see {@link epochOf}.
 * @throws Error on a wrong length or range.
 */
export function epochKey(
  masterKey: Uint8Array,
  userId: Uint8Array,
  device: Uint8Array,
  stream: number,
  epoch: number,
): Uint8Array {
  if (userId.length !== USER_ID_BYTES || device.length !== DEVICE_ID_BYTES) {
    throw new Error('epoch key: a user id has 32 bytes and a device id 16');
  }
  if (
    !(stream >= 0 && stream <= 0xffff && stream === Math.floor(stream)) ||
    !(epoch >= 0 && epoch <= 0xffffffff && epoch === Math.floor(epoch))
  ) {
    throw new Error('epoch key: stream or epoch is out of range');
  }
  const nonce = new Uint8Array(16);
  nonce.set(ascii(EPOCH_LABEL), 0);
  putU32(nonce, 8, stream);
  putU32(nonce, 12, epoch);
  const associatedData = new Uint8Array(USER_ID_BYTES + DEVICE_ID_BYTES);
  associatedData.set(userId, 0);
  associatedData.set(device, USER_ID_BYTES);
  const key = new Uint8Array(KEY_BYTES);
  new AsconAead128().encrypt(masterKey, nonce, associatedData, new Uint8Array(0), key);
  return key;
}
