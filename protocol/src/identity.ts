/**
 * Self-certifying identities: a user, a party or a model provider is an ML-DSA-65 key (FIPS 204), and
 * its id is the fingerprint of the public key. Nobody has to be trusted for who is who.
 */
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { hash } from './hash.ts';
import { Secret } from './secret.ts';

export const ID_BYTES = 32;
export const IDENTITY_SEED_BYTES = 32;
export const SIGNING_PUBLIC_KEY_BYTES = 1952;
export const SIGNATURE_BYTES = 3309;

/** A signing key pair and its id. Redacts itself: the secret key is a {@link Secret}. */
export interface Identity {
  /** {@link ID_BYTES} bytes. */
  id: Uint8Array;
  publicKey: Uint8Array;
  secretKey: Secret;
}

/** The id that belongs to a public key. */
export const fingerprint = (publicKey: Uint8Array): Uint8Array =>
  hash('mozaik/identity/1', publicKey);

/** Makes an identity from a seed of {@link IDENTITY_SEED_BYTES} bytes, by default a random one. */
export function createIdentity(seed: Uint8Array = randomBytes(IDENTITY_SEED_BYTES)): Identity {
  const { publicKey, secretKey } = ml_dsa65.keygen(seed);
  return { id: fingerprint(publicKey), publicKey, secretKey: new Secret(secretKey) };
}
