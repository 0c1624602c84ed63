/**
 * Sealing to a public key: X-Wing (ML-KEM-768 with X25519, draft-connolly-cfrg-xwing-kem, IND-CCA),
 * HKDF-SHA-256 and ChaCha20-Poly1305 (RFC 8439). The key is fresh for every message, so the AEAD's
 * nonce is zero. Layout: version (1 byte) ‖ encapsulation (1120 bytes) ‖ ciphertext ‖ tag (16 bytes).
 */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, randomBytes } from '@noble/hashes/utils.js';
import { ml_kem768_x25519 as xwing } from '@noble/post-quantum/hybrid.js';
import { decodeCanonical } from './canonical.ts';
import { MozaikError } from './errors.ts';
import { hash } from './hash.ts';
import type { Schema } from './schema.ts';
import { Secret } from './secret.ts';

export const SEAL_SEED_BYTES = 32;
export const SEAL_PUBLIC_KEY_BYTES = 1216;
const ENCAPSULATION_BYTES = 1120;
const SEAL_VERSION = 1;
/** What sealing adds to a message, bytes. */
export const SEAL_OVERHEAD_BYTES = 1 + ENCAPSULATION_BYTES + 16;

const ZERO_NONCE = new Uint8Array(12);

/** A key pair to which others seal. */
export interface SealKeys {
  publicKey: Uint8Array;
  secretKey: Secret;
}

/** Makes sealing keys from a seed of {@link SEAL_SEED_BYTES} bytes, by default a random one. */
export function createSealKeys(seed: Uint8Array = randomBytes(SEAL_SEED_BYTES)): SealKeys {
  const { publicKey, secretKey } = xwing.keygen(seed);
  return { publicKey, secretKey: new Secret(secretKey) };
}

/** What a sealed message is for. Opening with any other context fails. */
export interface SealContext {
  /** Type and version, such as `mozaik/key-share/1`. */
  label: string;
  /** Hashes and ids that the message belongs to. */
  parts: Uint8Array[];
}

function messageKey(sharedSecret: Uint8Array, enc: Uint8Array, info: Uint8Array): Uint8Array {
  return hkdf(sha256, sharedSecret, enc, info, 32);
}

/**
 * Seals `plaintext` to `publicKey`, bound to `context`.
 * @throws MozaikError ENCODING_INVALID when the public key is none
 */
export function seal(
  publicKey: Uint8Array,
  context: SealContext,
  plaintext: Uint8Array,
): Uint8Array {
  const info = hash(context.label, ...context.parts);
  const { cipherText: enc, sharedSecret } = encapsulate(publicKey);
  const key = messageKey(sharedSecret, enc, info);
  const body = chacha20poly1305(key, ZERO_NONCE, info).encrypt(plaintext);
  sharedSecret.fill(0);
  key.fill(0);
  return concatBytes(Uint8Array.of(SEAL_VERSION), enc, body);
}

function encapsulate(publicKey: Uint8Array) {
  try {
    return xwing.encapsulate(publicKey);
  } catch (cause) {
    throw new MozaikError('ENCODING_INVALID', 'a public sealing key is malformed', { cause });
  }
}

/**
 * Opens what {@link seal} made for the same context.
 * @throws MozaikError SHARE_UNREADABLE, whatever the reason
 */
export function open(keys: SealKeys, context: SealContext, sealed: Uint8Array): Secret {
  if (sealed.length < SEAL_OVERHEAD_BYTES || sealed[0] !== SEAL_VERSION) {
    throw new MozaikError('SHARE_UNREADABLE', context.label);
  }
  const info = hash(context.label, ...context.parts);
  const enc = sealed.subarray(1, 1 + ENCAPSULATION_BYTES);
  try {
    const sharedSecret = xwing.decapsulate(enc, keys.secretKey.expose());
    const key = messageKey(sharedSecret, enc, info);
    sharedSecret.fill(0);
    try {
      const body = sealed.subarray(1 + ENCAPSULATION_BYTES);
      return new Secret(chacha20poly1305(key, ZERO_NONCE, info).decrypt(body));
    } finally {
      key.fill(0);
    }
  } catch (cause) {
    throw new MozaikError('SHARE_UNREADABLE', context.label, { cause });
  }
}

/**
 * Opens a sealed message and decodes it. The opened bytes are wiped.
 * @throws MozaikError SHARE_UNREADABLE, also when they are not what they should be
 */
export function openDecoded<T>(
  keys: SealKeys,
  context: SealContext,
  sealed: Uint8Array,
  schema: Schema<T>,
): T {
  const plaintext = open(keys, context, sealed);
  try {
    return decodeCanonical(plaintext.expose(), schema, context.label);
  } catch {
    // No cause: it may tell something of the secret.
    throw new MozaikError('SHARE_UNREADABLE', context.label);
  } finally {
    plaintext.wipe();
  }
}
