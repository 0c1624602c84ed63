/**
 * Decryption. What comes out is approximate, and tells about the key whoever also knows what was
 * encrypted (docs/homomorphic.md): nothing of it leaves the package but by `openReply`, as labels.
 */
import { MozaikError, type Secret } from '@mozaik/protocol';
import { limbBytes, openFrame, replyCiphertexts, REPLY_SHAPE, unpackResidues } from './frame.ts';
import { formatCiphertext } from './library/objects.ts';
import {
  contextOf,
  levelId,
  openLibrary,
  scope,
  type Own,
  type SEALLibrary,
} from './library/seal.ts';
import { PARAMETERS, SCALES, SIDE, type Layout } from './parameters.ts';

/** The part of a user's keys that decrypts. */
interface SecretKey {
  secret: Secret;
}

/** What the library puts in front of the residues of a secret key, bytes. */
const SECRET_HEADER_BYTES = 88;

/**
 * The secret key as an object of the library.
 * @throws MozaikError HOMOMORPHIC_INPUT when it is not one of this layout
 */
export function loadSecret(seal: SEALLibrary, layout: Layout, keys: SecretKey, own: Own) {
  const bytes = keys.secret.expose();
  const { degree, primes } = PARAMETERS[layout];
  if (bytes.length !== SECRET_HEADER_BYTES + (primes.length + 1) * degree * 8) {
    throw new MozaikError('HOMOMORPHIC_INPUT', `not a secret key of the layout ${layout}`);
  }
  const secret = own(seal.SecretKey());
  secret.loadArray(contextOf(seal, layout), bytes);
  return secret;
}

/** The approximate logits of each beat: for tests and benchmarks of precision. */
export async function decryptLogits(
  layout: Layout,
  keys: SecretKey,
  reply: Uint8Array,
  beats: number,
): Promise<Float64Array[]> {
  const { outputs, body } = openFrame('reply', reply, { layout, beats });
  const slots = await decryptSlots(layout, keys, body, replyCiphertexts(layout, beats, outputs));
  return Array.from({ length: beats }, (_, beat) =>
    Float64Array.from({ length: outputs }, (_, output) =>
      layout === 'single' ? slots[beat][output * SIDE] : slots[output][beat],
    ),
  );
}

/** All slots of each ciphertext in the body of a reply. */
export async function decryptSlots(
  layout: Layout,
  keys: SecretKey,
  body: Uint8Array,
  count: number,
): Promise<Float64Array[]> {
  const seal = await openLibrary();
  const context = contextOf(seal, layout);
  const { degree, primes, bits } = PARAMETERS[layout];
  const { limbs, parts } = REPLY_SHAPE[layout];
  const length = limbBytes(layout);
  return scope((own) => {
    const decryptor = own(seal.Decryptor(context, loadSecret(seal, layout, keys, own)));
    const encoder = own(seal.CKKSEncoder(context));
    const id = levelId(context, limbs, own);
    const cipher = own(seal.CipherText());
    const plain = own(seal.PlainText());
    return Array.from({ length: count }, (_, c) => {
      const residues = new Uint32Array(parts * limbs * degree);
      for (let i = 0; i < parts * limbs; i++) {
        const at = (c * parts * limbs + i) * length;
        const values = unpackResidues(body.subarray(at, at + length), bits, primes[i % limbs]);
        residues.set(values, i * degree);
      }
      const scale = SCALES[layout].reply;
      cipher.loadArray(
        context,
        formatCiphertext({ id, degree, limbs, scale, residues, seed: undefined }),
      );
      decryptor.decrypt(cipher, plain);
      return encoder.decode(plain);
    });
  });
}
