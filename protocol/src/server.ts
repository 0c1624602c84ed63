/**
 * Server descriptor: who computes on homomorphic ciphertexts, and the key that models are sealed to.
 * Signed by the server. It listens to nobody: it hears of its jobs from the broker.
 */
import { equalBytes } from './bytes.ts';
import { MozaikError } from './errors.ts';
import { fingerprint, ID_BYTES, SIGNING_PUBLIC_KEY_BYTES } from './identity.ts';
import { verifyParty, type PartyDescriptor } from './party.ts';
import { bytes, integer, oneOf, struct, text, type Infer } from './schema.ts';
import { SEAL_PUBLIC_KEY_BYTES } from './seal.ts';
import { verify, verifyEither, type ObjectType, type Verified } from './signed.ts';

const schema = struct({
  v: oneOf(1),
  /** Id of the server: the fingerprint of `signingKey`. */
  party: bytes(ID_BYTES),
  /** ML-DSA-65 public key. */
  signingKey: bytes(SIGNING_PUBLIC_KEY_BYTES),
  /** For people; identifies nobody. */
  name: text(64),
  /** X-Wing public key that models are sealed to. */
  sealKey: bytes(SEAL_PUBLIC_KEY_BYTES),
  /** ms since 1970. */
  issued: integer(0, Number.MAX_SAFE_INTEGER),
});

export type ServerDescriptor = Infer<typeof schema>;

export const SERVER: ObjectType<ServerDescriptor> = {
  label: 'mozaik/homomorphic-server/1',
  schema,
};

/**
 * Verifies a signed descriptor, and that the server that it describes signed it.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID
 */
export function verifyServer(data: Uint8Array): Verified<ServerDescriptor> {
  const verified = verify(SERVER, data);
  const { party, signingKey } = verified.value;
  if (!equalBytes(party, verified.signer) || !equalBytes(party, fingerprint(signingKey))) {
    throw new MozaikError('SIGNATURE_INVALID', 'the descriptor is of another server');
  }
  return verified;
}

/** Whoever computes, on either path. */
export type Descriptor = PartyDescriptor | ServerDescriptor;

/** Whether it is one of three parties and not a server of homomorphic ciphertexts. */
export const isParty = (descriptor: Descriptor): descriptor is PartyDescriptor =>
  'tlsFingerprint' in descriptor;

/** @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID */
export const verifyDescriptor = (data: Uint8Array): Verified<Descriptor> =>
  verifyEither(verifyParty, verifyServer, data);
