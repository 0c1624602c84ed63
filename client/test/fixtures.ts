/** Parties, a user, a device, a model and storage for the tests of the agent. */
import { AsconAead128, epochKey } from '@mozaik/firmware';
import {
  BEAT_ENVELOPE_BYTES,
  BEAT_SAMPLES,
  createIdentity,
  createSealKeys,
  EPOCH_MS,
  HEADER_BYTES,
  MODEL,
  MozaikError,
  objectHash,
  openKeyShare,
  PARTY,
  sign,
  toHex,
  writeHeader,
  type Consent,
  type Identity,
  type ModelDescriptor,
  type PartyDescriptor,
  type SealKeys,
} from '@mozaik/protocol';
import { createDevice, createUser, Pins, type PinStorage } from '../src/index.ts';

export const filled = (length: number, value: number): Uint8Array =>
  new Uint8Array(length).fill(value);

export interface TestParty {
  identity: Identity;
  sealKeys: SealKeys;
  /** Its signed descriptor. */
  signed: Uint8Array;
}

export function describeParty(
  party: Pick<TestParty, 'identity' | 'sealKeys'>,
  change: Partial<PartyDescriptor> = {},
): Uint8Array {
  const descriptor: PartyDescriptor = {
    v: 1,
    party: party.identity.id,
    signingKey: party.identity.publicKey,
    name: 'Party',
    host: 'localhost',
    port: 4433,
    sealKey: party.sealKeys.publicKey,
    tlsFingerprint: filled(32, 9),
    issued: 1_700_000_000_000,
    ...change,
  };
  return sign(PARTY, descriptor, party.identity);
}

export function createParty(value: number): TestParty {
  const identity = createIdentity(filled(32, value));
  const sealKeys = createSealKeys(filled(32, value + 1));
  return { identity, sealKeys, signed: describeParty({ identity, sealKeys }) };
}

/** Three parties in ascending order of id. */
export const parties = [10, 20, 30]
  .map(createParty)
  .sort((a, b) => Buffer.compare(a.identity.id, b.identity.id));
export const partyIds = parties.map(({ identity }) => identity.id);

export const user = createUser(filled(32, 1), filled(32, 2));
export const provider = createIdentity(filled(32, 3));
export const device = createDevice('chest');
export const STREAM = 0;
/** The epoch that consents of the tests cover, and its first instant. */
export const EPOCH = 475_000;
export const EPOCH_START = EPOCH * EPOCH_MS;

export const model: ModelDescriptor = {
  v: 1,
  provider: provider.id,
  name: 'beats',
  widths: [187, 3],
  fractionBits: 8,
  classes: ['normal', 'ventricular', 'unknown'],
  anomalies: [1],
  parties: partyIds,
  commitments: [filled(32, 1), filled(32, 2), filled(32, 3)],
};
export const modelHash = objectHash(MODEL, model);
export const signedModel = sign(MODEL, model, provider);

export function memoryPins(): Pins {
  const kept = new Map<string, Uint8Array>();
  const storage: PinStorage = {
    load: (party) => Promise.resolve(kept.get(party)),
    create: (party, signed) => {
      kept.set(party, signed);
      return Promise.resolve();
    },
    replace: (party, signed) => {
      kept.set(party, signed);
      return Promise.resolve();
    },
    parties: () => Promise.resolve([...kept.keys()]),
  };
  return new Pins(storage);
}

export async function pinned(): Promise<Pins> {
  const pins = memoryPins();
  for (const { signed } of parties) await pins.pin(signed);
  return pins;
}

/** A beat of the device, as its firmware encrypts it: sample `i` of the window is `sequence + i`. */
export function encryptBeat(sequence: number, time: number, stream = STREAM): Uint8Array {
  const epoch = Math.floor(time / EPOCH_MS);
  const masterKey = device.masterKey.expose();
  const key = epochKey(masterKey, user.identity.id, device.id, stream, epoch);
  const envelope = new Uint8Array(BEAT_ENVELOPE_BYTES);
  const header = { suite: 1, kind: 1, epoch, time, stream, sequence, boot: filled(10, 5) };
  writeHeader(envelope, header);
  new AsconAead128().encrypt(
    key,
    envelope.subarray(14, 30),
    envelope.subarray(0, 14),
    plainBeat(sequence),
    envelope.subarray(HEADER_BYTES),
  );
  return envelope;
}

export const plainBeat = (sequence: number): Uint8Array =>
  Uint8Array.from({ length: BEAT_SAMPLES }, (_, i) => sequence + i);

/** Opens an envelope with an epoch key; undefined when it is not authentic. */
export function decryptBeat(key: Uint8Array, envelope: Uint8Array): Uint8Array | undefined {
  const out = new Uint8Array(BEAT_SAMPLES);
  const authentic = new AsconAead128().decrypt(
    key,
    envelope.subarray(14, 30),
    envelope.subarray(0, 14),
    envelope.subarray(HEADER_BYTES),
    out,
  );
  return authentic ? out : undefined;
}

/** The epoch keys that all three parties together have of a consent. */
export function combineKeys(
  consent: Consent,
  hash: Uint8Array,
  sealed: Uint8Array[],
): Uint8Array[] {
  const shares = parties.map(({ identity, sealKeys }, index) =>
    openKeyShare(sealKeys, hash, identity.id, index, consent.epochCount, sealed[index]),
  );
  return Array.from({ length: consent.epochCount }, (_, epoch) =>
    Uint8Array.from({ length: 16 }, (_, i) =>
      shares.reduce((sum, { first }) => sum ^ first.expose()[16 * epoch + i], 0),
    ),
  );
}

/** The code of the MozaikError that `run` ends with; anything else fails the test. */
export async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof MozaikError) return error.code;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Every way in which key material of these bytes could show up in a text. */
export function spellings(secret: Uint8Array): string[] {
  return [
    toHex(secret.subarray(0, 8)),
    secret.subarray(0, 8).join(', '),
    secret.subarray(0, 8).join(','),
    Buffer.from(secret).toString('base64').slice(0, 10),
  ];
}
