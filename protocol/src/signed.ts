/**
 * Signed objects: a canonical body, the signer's public key and an ML-DSA-65 signature over the body.
 * The object's type and version are the signature's context string, so a body signed as one thing is
 * never valid as another.
 */
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { decodeCanonical, encodeCanonical } from './canonical.ts';
import { MozaikError } from './errors.ts';
import { hash } from './hash.ts';
import {
  fingerprint,
  SIGNATURE_BYTES,
  SIGNING_PUBLIC_KEY_BYTES,
  type Identity,
} from './identity.ts';
import { bytes, bytesUpTo, oneOf, struct, type Schema } from './schema.ts';

/** Largest body that is signed, bytes: bounds what a decoder allocates for a hostile peer. */
export const SIGNED_BODY_MAX_BYTES = 1 << 20;

/** A type of signed object. `label` names type and version, such as `mozaik/consent/1`. */
export interface ObjectType<T> {
  label: string;
  schema: Schema<T>;
}

const envelopeSchema = struct({
  v: oneOf(1),
  body: bytesUpTo(SIGNED_BODY_MAX_BYTES),
  signer: bytes(SIGNING_PUBLIC_KEY_BYTES),
  signature: bytes(SIGNATURE_BYTES),
});

/** A verified object. */
export interface Verified<T> {
  value: T;
  /** Id of the signer. Whether it is the right one for `value` is the caller's check. */
  signer: Uint8Array;
  /** Hash of type and body: the object's name. */
  hash: Uint8Array;
}

/** Name of an object: the hash of its type and canonical body, whoever signed it. */
export function objectHash<T>(type: ObjectType<T>, value: T): Uint8Array {
  return hash(type.label, encodeCanonical(value));
}

/** Checks, encodes and signs `value`. */
export function sign<T>(type: ObjectType<T>, value: T, identity: Identity): Uint8Array {
  const body = encodeCanonical(type.schema(value, type.label));
  const signature = ml_dsa65.sign(body, identity.secretKey.expose(), {
    context: utf8ToBytes(type.label),
  });
  return encodeCanonical({ v: 1, body, signer: identity.publicKey, signature });
}

/**
 * Decodes `data` strictly and verifies its signature.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID
 */
export function verify<T>(type: ObjectType<T>, data: Uint8Array): Verified<T> {
  const { body, signer, signature } = decodeCanonical(data, envelopeSchema, type.label);
  if (!ml_dsa65.verify(signature, body, signer, { context: utf8ToBytes(type.label) })) {
    throw new MozaikError('SIGNATURE_INVALID', type.label);
  }
  return {
    value: decodeCanonical(body, type.schema, type.label),
    signer: fingerprint(signer),
    hash: hash(type.label, body),
  };
}

/**
 * Verifies an object that is of one of two types: the signature tells which.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID
 */
export function verifyEither<A, B>(
  first: (data: Uint8Array) => Verified<A>,
  second: (data: Uint8Array) => Verified<B>,
  data: Uint8Array,
): Verified<A | B> {
  try {
    return first(data);
  } catch (error) {
    if (!(error instanceof MozaikError) || error.code !== 'SIGNATURE_INVALID') throw error;
    return second(data);
  }
}
