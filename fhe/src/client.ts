/**
 * The user's side of the homomorphic path: keys, requests, labels. Runs in Node and in browsers.
 *
 * Whoever calls this holds the beats in the clear: the user's own agent or gateway, the only place
 * beside the board that ever does. What is decrypted is approximate, and an approximate decryption
 * tells about the key (Li and Micciancio, EUROCRYPT 2021): only labels leave this module.
 */
import { MozaikError, Secret } from '@mozaik/protocol';
import { decryptLogits, loadSecret } from './decrypt.ts';
import { limbBytes, newFrame, packResidues, SEED_BYTES, HEADER_BYTES } from './frame.ts';
import { parseCiphertext, parseKeys, type LibraryCiphertext } from './library/objects.ts';
import { contextOf, openLibrary, scope, uncompressed } from './library/seal.ts';
import { largestIndex } from './network.ts';
import {
  INPUT_UNIT,
  KEY_PLANS,
  PARAMETERS,
  SIDE,
  SINGLE_CIPHERTEXTS,
  WINDOW_BYTES,
  type Layout,
} from './parameters.ts';

export { EVALUATION_KEYS_MAX_BYTES, REPLY_MAX_BYTES, REQUEST_MAX_BYTES } from './frame.ts';
export { LAYOUTS, PARAMETERS, type Layout } from './parameters.ts';

/** Most beats that one request may hold. */
export const maxBeats = (layout: Layout): number => PARAMETERS[layout].maxBeats;

export interface FheKeys {
  /** Never leaves the user's agent. Belongs to one layout. */
  secret: Secret;
  /** For the server: relinearisation and rotation keys, about 10 MB; empty in the batch layout. */
  evaluation: Uint8Array;
}

/**
 * Makes a key pair; about a second in the single layout.
 * @throws MozaikError UNAVAILABLE
 */
export async function createKeys(layout: Layout): Promise<FheKeys> {
  const seal = await openLibrary();
  const context = contextOf(seal, layout);
  return scope((own) => {
    const generator = own(seal.KeyGenerator(context));
    const secret = new Secret(own(generator.secretKey()).saveArray(uncompressed(seal)));
    if (layout === 'batch') return { secret, evaluation: new Uint8Array(0) };
    const evaluation = newFrame('keys', { layout, beats: 0, outputs: 0 });
    let at = HEADER_BYTES;
    for (const { step, limbs } of KEY_PLANS) {
      const key =
        step === 0
          ? generator.createRelinKeysSerializable()
          : generator.createGaloisKeysSerializable(Int32Array.of(step));
      const [digits] = parseKeys(own(key).saveArray(uncompressed(seal))).values();
      for (const digit of digits.slice(0, limbs)) {
        const special = digit.limbs - 1;
        const used = Array.from({ length: limbs + 1 }, (_, i) => (i === limbs ? special : i));
        at = writeSeeded(evaluation, at, layout, digit, used);
      }
    }
    return { secret, evaluation };
  });
}

/** Writes the seed and some of the residues of a ciphertext; returns where they end. */
function writeSeeded(
  frame: Uint8Array,
  at: number,
  layout: Layout,
  { seed, residues, degree }: LibraryCiphertext,
  limbs: Iterable<number>,
): number {
  if (!seed) throw new MozaikError('INTERNAL', 'the library made a ciphertext without a seed');
  frame.set(seed, at);
  at += SEED_BYTES;
  const length = limbBytes(layout);
  for (const limb of limbs) {
    const values = residues.subarray(limb * degree, (limb + 1) * degree);
    packResidues(values, PARAMETERS[layout].bits, frame.subarray(at, at + length));
    at += length;
  }
  return at;
}

/**
 * Encrypts beats for one request.
 *
 * @param windows 187 bytes each; 1 to {@link maxBeats} of them
 * @throws RangeError for other numbers or lengths, MozaikError HOMOMORPHIC_INPUT when the keys are of
 *   another layout or damaged, UNAVAILABLE
 */
export async function encryptBeats(
  layout: Layout,
  keys: FheKeys,
  windows: Uint8Array[],
): Promise<Uint8Array> {
  if (windows.length < 1 || windows.length > maxBeats(layout)) {
    throw new RangeError(`a request holds 1 to ${maxBeats(layout)} beats`);
  }
  if (windows.some((window) => window.length !== WINDOW_BYTES)) {
    throw new RangeError(`a window has ${WINDOW_BYTES} bytes`);
  }
  const seal = await openLibrary();
  const context = contextOf(seal, layout);
  const { degree, primes, inputScale } = PARAMETERS[layout];
  return scope((own) => {
    const secret = loadSecret(seal, layout, keys, own);
    const publicKey = own(own(seal.KeyGenerator(context, secret)).createPublicKey());
    const encryptor = own(seal.Encryptor(context, publicKey, secret));
    const encoder = own(seal.CKKSEncoder(context));
    const plain = own(seal.PlainText());
    const frame = newFrame('request', { layout, beats: windows.length, outputs: 0 });
    const slots = new Float64Array(degree / 2);
    let at = HEADER_BYTES;
    const encrypt = (): void => {
      encoder.encode(slots, inputScale, plain);
      const saved = scope((ownOne) =>
        ownOne(encryptor.encryptSymmetricSerializable(plain)).saveArray(uncompressed(seal)),
      );
      at = writeSeeded(frame, at, layout, parseCiphertext(saved), primes.keys());
    };
    if (layout === 'single') {
      for (const window of windows) {
        for (let c = 0; c < SINGLE_CIPHERTEXTS; c++) {
          slots.forEach((_, n) => {
            slots[n] = (window[c * SIDE + Math.floor(n / SIDE)] ?? 0) * INPUT_UNIT;
          });
          encrypt();
        }
      }
    } else {
      for (let feature = 0; feature < WINDOW_BYTES; feature++) {
        windows.forEach((window, beat) => (slots[beat] = window[feature] * INPUT_UNIT));
        encrypt();
      }
    }
    slots.fill(0);
    return frame;
  });
}

/**
 * Decrypts the reply to a request and returns the class of each beat. The logits stay in here.
 *
 * @param beats how many the request held
 * @throws MozaikError HOMOMORPHIC_INPUT when the reply is malformed or not one to these keys
 */
export async function openReply(
  layout: Layout,
  keys: FheKeys,
  reply: Uint8Array,
  beats: number,
): Promise<{ classIndex: number }[]> {
  const logits = await decryptLogits(layout, keys, reply, beats);
  return logits.map((values) => ({ classIndex: largestIndex(values) }));
}
