/** A user's devices: master keys, epoch keys, and reading one's own samples in the clear. */
import { AsconAead128, deviceId, epochKey } from '@mozaik/firmware';
import {
  decodeSample,
  HEADER_BYTES,
  KEY_BYTES,
  MozaikError,
  SAMPLES_PAGE_MAX,
  Secret,
  type ErrorCode,
} from '@mozaik/protocol';
import type { Api } from './api.ts';
import { randomBytes } from './random.ts';

/** A device as its user holds it. Redacts itself: the master key is a {@link Secret}. */
export interface Device {
  /** 16 bytes, derived from the master key. */
  id: Uint8Array;
  /** For people. */
  name: string;
  /** 16 bytes. Leaves the user only to be put on the device. */
  masterKey: Secret;
}

/** Makes a device with a new random master key. */
export function createDevice(name: string): Device {
  const masterKey = randomBytes(KEY_BYTES);
  return { id: deviceId(masterKey), name, masterKey: new Secret(masterKey) };
}

/**
 * Keys of `count` epochs of one stream from `first` on, 16 bytes each. The caller wipes them.
 * @throws Error when stream or epoch is out of range
 */
export function epochKeys(
  user: Uint8Array,
  device: Device,
  stream: number,
  first: number,
  count: number,
): Uint8Array[] {
  const masterKey = device.masterKey.expose();
  return Array.from({ length: count }, (_, i) =>
    epochKey(masterKey, user, device.id, stream, first + i),
  );
}

/** A sample that the user has opened, or why it does not open. */
export type OpenedSample =
  | { sequence: number; epoch: number; time: number; plaintext: Uint8Array }
  | { sequence: number | undefined; code: ErrorCode };

/**
 * Opens one of the user's own envelopes with the master key.
 * @param user id of the user
 * @returns a code in place of the plaintext when this one record is malformed, of another stream, or
 *   not authentic
 */
export function openSample(
  user: Uint8Array,
  device: Device,
  stream: number,
  envelope: Uint8Array,
): OpenedSample {
  let sample;
  try {
    sample = decodeSample(envelope);
  } catch (error) {
    if (error instanceof MozaikError) return { sequence: undefined, code: error.code };
    throw error;
  }
  const { sequence, epoch, time, associatedData, nonce, ciphertext } = sample;
  if (sample.stream !== stream) return { sequence, code: 'TAG_MISMATCH' };
  const [key] = epochKeys(user, device, stream, epoch, 1);
  const plaintext = new Uint8Array(ciphertext.length);
  const sealed = envelope.subarray(HEADER_BYTES);
  const authentic = new AsconAead128().decrypt(key, nonce, associatedData, sealed, plaintext);
  key.fill(0);
  return authentic ? { sequence, epoch, time, plaintext } : { sequence, code: 'TAG_MISMATCH' };
}

/**
 * Fetches and opens the user's own samples of one stream, ascending, from sequence number `from` on.
 * Everything happens at the user's side; the backend only sees that they were fetched.
 *
 * @throws MozaikError ENCODING_INVALID when the backend does not answer in ascending order
 */
export async function* readSamples(
  api: Api,
  device: Device,
  stream: number,
  from = 0,
): AsyncGenerator<OpenedSample> {
  for (let next = from; ;) {
    const { samples } = await api.samples({ device: device.id, stream, from: next });
    for (const { envelope } of samples) {
      const opened = openSample(api.session.identity.id, device, stream, envelope);
      if (opened.sequence !== undefined) {
        if (opened.sequence < next) {
          throw new MozaikError('ENCODING_INVALID', 'samples are not in ascending order');
        }
        next = opened.sequence + 1;
      }
      yield opened;
    }
    if (samples.length < SAMPLES_PAGE_MAX || next > 0xffffffff) return;
  }
}
