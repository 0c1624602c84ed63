/**
 * What a corrupted party of three may do without harm: look at all that it gets (semi-honest), or
 * anything, where the others then notice and stop (malicious). Consents and results name the protocol.
 */
export const ADVERSARIES = ['malicious', 'semi-honest'] as const;

export type Adversary = (typeof ADVERSARIES)[number];

/** Names of the protocols, as consents and results carry them. */
export const PROTOCOLS = {
  malicious: 'replicated3-malicious',
  'semi-honest': 'replicated3-semi-honest',
} as const satisfies Record<Adversary, string>;

export type ProtocolName = (typeof PROTOCOLS)[Adversary];

export const adversaryOf = (protocol: ProtocolName): Adversary =>
  protocol === PROTOCOLS.malicious ? 'malicious' : 'semi-honest';
