/**
 * A model for the homomorphic path: a public descriptor, signed by the provider, that commits to the
 * parameters, and these whole in one message sealed to the server. The server learns the model, the
 * user does not.
 */
import { randomBytes } from '@noble/hashes/utils.js';
import { equalBytes } from './bytes.ts';
import { encodeCanonical } from './canonical.ts';
import { MozaikError } from './errors.ts';
import { hash, HASH_BYTES } from './hash.ts';
import { ID_BYTES } from './identity.ts';
import {
  checkModel,
  MODEL_SHARE_MAX_BYTES,
  verifyModel,
  type ModelDescriptor,
} from './model-share.ts';
import { bytes, bytesUpTo, integer, list, oneOf, struct, text, type Infer } from './schema.ts';
import { openDecoded, seal, type SealContext, type SealKeys } from './seal.ts';
import { Secret } from './secret.ts';
import { verify, verifyEither, type ObjectType, type Verified } from './signed.ts';

const SALT_BYTES = 32;

const descriptorSchema = struct({
  v: oneOf(1),
  /** Id of the model provider, who signs. */
  provider: bytes(ID_BYTES),
  name: text(64),
  /** Width of each layer, input first. */
  widths: list(integer(1, 4096), 2, 17),
  /** What stands between layers: only polynomials can be computed. */
  activation: oneOf('square'),
  /** Name of each class, in the order of the last layer. */
  classes: list(text(64), 2, 16),
  /** Which classes are an anomaly, by index, ascending. */
  anomalies: list(integer(0, 15), 0, 16),
  /** Id of the one server that holds it. */
  parties: list(bytes(ID_BYTES), 1, 1),
  /** Salted hash of the parameters. */
  commitments: list(bytes(HASH_BYTES), 1, 1),
});

export type SealedModelDescriptor = Infer<typeof descriptorSchema>;

/** Its object hash is the commitment that a consent names. */
export const SEALED_MODEL: ObjectType<SealedModelDescriptor> = {
  label: 'mozaik/homomorphic-model/1',
  schema: descriptorSchema,
};

/**
 * Verifies a signed descriptor: consistent in itself, and signed by its provider.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID
 */
export function verifySealedModel(data: Uint8Array): Verified<SealedModelDescriptor> {
  const verified = verify(SEALED_MODEL, data);
  if (!equalBytes(verified.value.provider, verified.signer)) {
    throw new MozaikError('SIGNATURE_INVALID', 'the model is of another provider');
  }
  checkModel(verified.value);
  return verified;
}

/** A model of either path. */
export type AnyModelDescriptor = ModelDescriptor | SealedModelDescriptor;

/** Whether it is for the homomorphic path. */
export const isSealedModel = (model: AnyModelDescriptor): model is SealedModelDescriptor =>
  'activation' in model;

/** @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID */
export const verifyAnyModel = (data: Uint8Array): Verified<AnyModelDescriptor> =>
  verifyEither(verifyModel, verifySealedModel, data);

const plaintextSchema = struct({
  v: oneOf(1),
  salt: bytes(SALT_BYTES),
  /** All weights layer by layer, then all biases: 32-bit little-endian floats. */
  parameters: bytesUpTo(MODEL_SHARE_MAX_BYTES),
});

const commit = (salt: Uint8Array, parameters: Uint8Array): Uint8Array =>
  hash('mozaik/homomorphic-model-commitment/1', salt, parameters);

const context = (commitment: Uint8Array, server: Uint8Array): SealContext => ({
  label: 'mozaik/sealed-model/1',
  parts: [commitment, server],
});

/** Commits to the parameters and seals them to the server. */
export function sealModel(
  parameters: Uint8Array,
  server: { id: Uint8Array; sealKey: Uint8Array },
): { commitment: Uint8Array; sealed: Uint8Array } {
  const salt = randomBytes(SALT_BYTES);
  const commitment = commit(salt, parameters);
  const plaintext = encodeCanonical({ v: 1, salt, parameters });
  const sealed = seal(server.sealKey, context(commitment, server.id), plaintext);
  plaintext.fill(0);
  return { commitment, sealed };
}

/**
 * Opens a sealed model and checks it against the descriptor's commitment.
 * @throws MozaikError SHARE_UNREADABLE
 */
export function openModel(
  keys: SealKeys,
  { commitments: [commitment], parties: [server] }: SealedModelDescriptor,
  sealed: Uint8Array,
): Secret {
  const { salt, parameters } = openDecoded(
    keys,
    context(commitment, server),
    sealed,
    plaintextSchema,
  );
  if (!equalBytes(commit(salt, parameters), commitment)) {
    parameters.fill(0);
    throw new MozaikError('SHARE_UNREADABLE', 'the model does not match its commitment');
  }
  return new Secret(parameters);
}
