/**
 * The protocols that a consent can name. On shares: what a corrupted party of three may do without
 * harm, look at all that it gets (semi-honest), or anything, where the others then notice and stop
 * (malicious). On homomorphic ciphertexts: one server that cannot read what it computes.
 */
import { MozaikError } from './errors.ts';

export const ADVERSARIES = ['malicious', 'semi-honest'] as const;

export type Adversary = (typeof ADVERSARIES)[number];

/** Names of the protocols on shares, as consents and results carry them. */
export const PROTOCOLS = {
  malicious: 'replicated3-malicious',
  'semi-honest': 'replicated3-semi-honest',
} as const satisfies Record<Adversary, string>;

/** One server computes on CKKS ciphertexts that the user's own agent made. */
export const HOMOMORPHIC = 'ckks-one-server';

export const PROTOCOL_NAMES = [...Object.values(PROTOCOLS), HOMOMORPHIC] as const;

export type ProtocolName = (typeof PROTOCOL_NAMES)[number];

/** @throws MozaikError CONSENT_MISMATCH for the homomorphic path: it is none of three parties */
export function adversaryOf(protocol: ProtocolName): Adversary {
  if (protocol === HOMOMORPHIC) {
    throw new MozaikError('CONSENT_MISMATCH', 'the consent is for the homomorphic path');
  }
  return protocol === PROTOCOLS.malicious ? 'malicious' : 'semi-honest';
}
