/** Party descriptor: how to reach a compute party and which keys it holds. Signed by the party. */
import { ID_BYTES, SIGNING_PUBLIC_KEY_BYTES } from './identity.ts';
import { bytes, integer, oneOf, struct, text, type Infer } from './schema.ts';
import { SEAL_PUBLIC_KEY_BYTES } from './seal.ts';
import { fingerprint } from './identity.ts';
import { equalBytes } from './bytes.ts';
import { MozaikError } from './errors.ts';
import { verify, type ObjectType, type Verified } from './signed.ts';

const schema = struct({
  v: oneOf(1),
  /** Id of the party: the fingerprint of `signingKey`. */
  party: bytes(ID_BYTES),
  /** ML-DSA-65 public key. */
  signingKey: bytes(SIGNING_PUBLIC_KEY_BYTES),
  /** For people; identifies nobody. */
  name: text(64),
  /** Where other parties connect. */
  host: text(255),
  port: integer(1, 65535),
  /** X-Wing public key that shares are sealed to. */
  sealKey: bytes(SEAL_PUBLIC_KEY_BYTES),
  /** SHA-256 of the TLS key's SubjectPublicKeyInfo in DER. */
  tlsFingerprint: bytes(32),
  /** ms since 1970. */
  issued: integer(0, Number.MAX_SAFE_INTEGER),
});

export type PartyDescriptor = Infer<typeof schema>;

export const PARTY: ObjectType<PartyDescriptor> = { label: 'mozaik/party/1', schema };

/**
 * Verifies a signed descriptor, and that the party that it describes signed it.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID
 */
export function verifyParty(data: Uint8Array): Verified<PartyDescriptor> {
  const verified = verify(PARTY, data);
  const { party, signingKey } = verified.value;
  if (!equalBytes(party, verified.signer) || !equalBytes(party, fingerprint(signingKey))) {
    throw new MozaikError('SIGNATURE_INVALID', 'the descriptor is of another party');
  }
  return verified;
}
