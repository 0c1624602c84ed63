/** Login: a signature over a fresh challenge proves that the caller holds an identity's key. */
import { equalBytes, LOGIN, MozaikError, toHex, verify, type Login } from '@mozaik/protocol';
import type { Challenges } from './challenges.ts';

/**
 * Verifies a signed login.
 * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID, AUTH_INVALID
 */
export function verifyLogin(
  signed: Uint8Array,
  challenges: Challenges,
  audience: string,
): { id: string; role: Login['role'] } {
  const { value, signer } = verify(LOGIN, signed);
  if (!equalBytes(value.id, signer)) {
    throw new MozaikError('SIGNATURE_INVALID', 'the login is of another identity');
  }
  if (value.audience !== audience) {
    throw new MozaikError('AUTH_INVALID', 'the login is for another backend');
  }
  if (!challenges.take(toHex(value.challenge))) {
    throw new MozaikError('AUTH_INVALID', 'the challenge is unknown, used or too old');
  }
  return { id: toHex(value.id), role: value.role };
}
