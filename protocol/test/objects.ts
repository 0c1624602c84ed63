/** Fixed identities and objects for tests: the same bytes in every run. */
import {
  BEAT_ENVELOPE_BYTES,
  CONSENT,
  createIdentity,
  createSealKeys,
  HEADER_BYTES,
  PARTY,
  sign,
  writeHeader,
  type Consent,
  type EnvelopeHeader,
  type Identity,
  type PartyDescriptor,
  type SealKeys,
} from '../src/index.ts';

/** `length` bytes of value `value`. */
export const filled = (length: number, value: number): Uint8Array =>
  new Uint8Array(length).fill(value);

export const user = createIdentity(filled(32, 1));
export const stranger = createIdentity(filled(32, 2));
export const resultKeys = createSealKeys(filled(32, 3));

export interface TestParty {
  identity: Identity;
  sealKeys: SealKeys;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Three parties in ascending order of id. */
export const parties: TestParty[] = [11, 12, 13]
  .map((value) => ({
    identity: createIdentity(filled(32, value)),
    sealKeys: createSealKeys(filled(32, value + 100)),
  }))
  .sort((a, b) => (hexOf(a.identity.id) < hexOf(b.identity.id) ? -1 : 1));

export function descriptor(party: TestParty): PartyDescriptor {
  return {
    v: 1,
    party: party.identity.id,
    signingKey: party.identity.publicKey,
    name: 'Party',
    host: 'party.example',
    port: 4433,
    sealKey: party.sealKeys.publicKey,
    tlsFingerprint: filled(32, 9),
    issued: 1_700_000_000_000,
  };
}

export const signedDescriptor = (party: TestParty): Uint8Array =>
  sign(PARTY, descriptor(party), party.identity);

/** A consent that is consistent in itself; `change` replaces fields. */
export function consent(change: Partial<Consent> = {}): Consent {
  return {
    v: 1,
    user: user.id,
    device: filled(16, 4),
    stream: 7,
    kind: 1,
    analysis: 'classify-heartbeat',
    protocol: 'replicated3-semi-honest',
    parties: parties.map(({ identity }, i) => ({
      id: identity.id,
      descriptor: filled(32, 20 + i),
    })),
    model: filled(32, 5),
    resultKey: resultKeys.publicKey,
    mode: 'once',
    from: 1000,
    to: 2000,
    firstEpoch: 10,
    epochCount: 2,
    sequences: [],
    notBefore: 5000,
    expires: 6000,
    nonce: filled(16, 6),
    ...change,
  };
}

export const signedConsent = (change: Partial<Consent> = {}): Uint8Array =>
  sign(CONSENT, consent(change), user);

export const header: EnvelopeHeader = {
  suite: 1,
  kind: 1,
  epoch: 10,
  time: 1500,
  stream: 7,
  sequence: 3,
  boot: filled(10, 8),
};

/** An envelope with this header and a body of zeros. */
export function envelope(change: Partial<EnvelopeHeader> = {}): Uint8Array {
  const out = new Uint8Array(BEAT_ENVELOPE_BYTES);
  writeHeader(out.subarray(0, HEADER_BYTES), { ...header, ...change });
  return out;
}

/** A copy of `bytes` with bit `bit` of byte `at` flipped. */
export function flipped(bytes: Uint8Array, at: number, bit = 0): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] ^= 1 << bit;
  return copy;
}
