/** What a party refuses before it computes, check by check. */
import { describe, expect, test } from '@jest/globals';
import {
  BEAT_ENVELOPE_BYTES,
  CONSENT,
  createIdentity,
  createSealKeys,
  EPOCH_MS,
  MODEL,
  objectHash,
  PARTY,
  sign,
  writeHeader,
  type Consent,
  type ErrorCode,
  type Identity,
  type Job,
  type ModelDescriptor,
  type ObjectType,
  type PartyDescriptor,
} from '@mozaik/protocol';
import { checkConsent, checkModel, checkPeer, checkSamples } from '../../src/node/assignment.ts';
import { codeOf } from './outcomes.ts';

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);
const identity = (value: number) => createIdentity(filled(32, value));

const user = identity(1);
const provider = identity(2);
const mallory = identity(3);
const parties = [4, 5, 6].map(identity).sort((a, b) => Buffer.compare(a.id, b.id));
const sealKey = createSealKeys(filled(32, 7)).publicKey;
const NOW = 1_700_000_000_000;
const EPOCH = Math.floor(NOW / EPOCH_MS);
const STREAM = 3;

const describeParty = (
  party: Identity,
  change: Partial<PartyDescriptor> = {},
): PartyDescriptor => ({
  v: 1,
  party: party.id,
  signingKey: party.publicKey,
  name: 'party',
  host: 'localhost',
  port: 4000,
  sealKey,
  tlsFingerprint: filled(32, 8),
  issued: 0,
  ...change,
});
const descriptorHashes = parties.map((party) => objectHash(PARTY, describeParty(party)));

const model: ModelDescriptor = {
  v: 1,
  provider: provider.id,
  name: 'model',
  widths: [187, 5, 3],
  fractionBits: 8,
  classes: ['a', 'b', 'c'],
  anomalies: [1],
  parties: parties.map(({ id }) => id),
  commitments: [1, 2, 3].map((value) => filled(32, value)),
};

const consent: Consent = {
  v: 1,
  user: user.id,
  device: filled(16, 9),
  stream: STREAM,
  kind: 1,
  analysis: 'classify-heartbeat',
  protocol: 'replicated3-semi-honest',
  parties: parties.map(({ id }, i) => ({ id, descriptor: descriptorHashes[i] })),
  model: objectHash(MODEL, model),
  resultKey: sealKey,
  mode: 'once',
  from: NOW,
  to: NOW + 10_000,
  firstEpoch: EPOCH,
  epochCount: 1,
  sequences: [[10, 20]],
  notBefore: NOW,
  expires: NOW + 1000,
  nonce: filled(16, 10),
};
const job: Job = {
  v: 1,
  job: filled(16, 11),
  consent: objectHash(CONSENT, consent),
  sequences: [10, 12, 20],
};

/** Signs without the checks of `sign`, so that what nobody should have signed can be made too. */
const signAnything = <T>(type: ObjectType<T>, value: unknown, signer: Identity): Uint8Array =>
  sign({ label: type.label, schema: (given) => given as T }, value as T, signer);

describe('the consent', () => {
  const check = (signed: Uint8Array, { index = 1, now = NOW, of = job } = {}) =>
    checkConsent(signed, of, parties[index].id, descriptorHashes[index], now);
  const signed = sign(CONSENT, consent, user);

  test.each([0, 1, 2])('gives a party its place, %i', (index) => {
    expect(check(signed, { index }).index).toBe(index);
  });

  test('is in force from its first to before its last instant', async () => {
    expect(await codeOf(() => check(signed, { now: NOW - 1 }))).toBe('CONSENT_EXPIRED');
    expect(await codeOf(() => check(signed, { now: NOW }))).toBe('done');
    expect(await codeOf(() => check(signed, { now: NOW + 999 }))).toBe('done');
    expect(await codeOf(() => check(signed, { now: NOW + 1000 }))).toBe('CONSENT_EXPIRED');
  });

  /** A job of the altered consent, so that only the consent itself is at fault. */
  const altered: [string, ErrorCode, object, Identity?][] = [
    ['another signer', 'SIGNATURE_INVALID', {}, mallory],
    ['another user', 'SIGNATURE_INVALID', { user: mallory.id }],
    ['another version', 'ENCODING_INVALID', { v: 2 }],
    ['another analysis', 'ENCODING_INVALID', { analysis: 'everything' }],
    ['another protocol', 'ENCODING_INVALID', { protocol: 'none' }],
    ['an unknown field', 'ENCODING_INVALID', { more: 1 }],
    ['two parties', 'ENCODING_INVALID', { parties: consent.parties.slice(1) }],
    ['parties in another order', 'ENCODING_INVALID', { parties: consent.parties.toReversed() }],
    [
      'one party twice',
      'ENCODING_INVALID',
      { parties: [consent.parties[0], consent.parties[1], consent.parties[1]] },
    ],
    ['an empty window', 'ENCODING_INVALID', { to: NOW }],
    ['no time in force', 'ENCODING_INVALID', { expires: NOW }],
    ['no epochs', 'ENCODING_INVALID', { epochCount: 0 }],
    ['too many epochs', 'ENCODING_INVALID', { epochCount: 745 }],
    ['ranges that go back', 'ENCODING_INVALID', { sequences: [[5, 4]] }],
    [
      'a party that is not us',
      'CONSENT_MISMATCH',
      {
        parties: [consent.parties[0], { id: filled(32, 255), descriptor: filled(32, 1) }].toSpliced(
          1,
          0,
          { id: filled(32, 254), descriptor: filled(32, 1) },
        ),
      },
    ],
    [
      'another descriptor of ours',
      'PARTY_NOT_PINNED',
      {
        parties: consent.parties.map((party, i) =>
          i === 1 ? { ...party, descriptor: filled(32, 1) } : party,
        ),
      },
    ],
  ];
  test.each(altered)('with %s is %s', async (_, code, change, signer = user) => {
    const value = { ...consent, ...change } as Consent;
    const of = { ...job, consent: objectHash(CONSENT, value) };
    const given = signAnything(CONSENT, value, signer);
    expect(await codeOf(() => check(given, { of }))).toBe(code);
  });

  test('of another job is CONSENT_MISMATCH', async () => {
    const of = { ...job, consent: filled(32, 0) };
    expect(await codeOf(() => check(signed, { of }))).toBe('CONSENT_MISMATCH');
  });

  test('with one bit changed anywhere is refused', async () => {
    for (let at = 0; at < signed.length; at += 61) {
      const changed = signed.slice();
      changed[at] ^= 1;
      expect(await codeOf(() => check(changed))).toMatch(/^(ENCODING|SIGNATURE)_INVALID$/);
    }
  });

  test('signed as something else is SIGNATURE_INVALID', async () => {
    const wrong = signAnything({ ...CONSENT, label: 'mozaik/revocation/1' }, consent, user);
    expect(await codeOf(() => check(wrong))).toBe('SIGNATURE_INVALID');
  });
});

describe('a peer', () => {
  const check = (value: PartyDescriptor, signer: Identity) =>
    checkPeer(signAnything(PARTY, value, signer), consent, 2);

  test('is taken as pinned', () => {
    expect(check(describeParty(parties[2]), parties[2]).port).toBe(4000);
  });

  const altered: [string, ErrorCode, PartyDescriptor, Identity][] = [
    ['signed by another', 'SIGNATURE_INVALID', describeParty(parties[2]), mallory],
    [
      'with the signing key of another',
      'SIGNATURE_INVALID',
      describeParty(parties[2], { signingKey: mallory.publicKey }),
      parties[2],
    ],
    ['that is another party', 'PARTY_NOT_PINNED', describeParty(parties[1]), parties[1]],
    ['that is a stranger', 'PARTY_NOT_PINNED', describeParty(mallory), mallory],
    ...(
      [
        { port: 4001 },
        { host: 'elsewhere' },
        { tlsFingerprint: filled(32, 1) },
        { sealKey: createSealKeys(filled(32, 1)).publicKey },
        { issued: 1 },
        { name: 'other' },
      ] satisfies Partial<PartyDescriptor>[]
    ).map((change): [string, ErrorCode, PartyDescriptor, Identity] => [
      `with another ${Object.keys(change)[0]}`,
      'PARTY_NOT_PINNED',
      describeParty(parties[2], change),
      parties[2],
    ]),
  ];
  test.each(altered)('%s is %s', async (_, code, value, signer) => {
    expect(await codeOf(() => check(value, signer))).toBe(code);
  });
});

describe('the model', () => {
  /** An altered model, and a consent that names it. */
  const check = (change: Partial<ModelDescriptor>, signer = provider) => {
    const value = { ...model, ...change };
    const named = { ...consent, model: objectHash(MODEL, value) };
    return checkModel(signAnything(MODEL, value, signer), named);
  };
  /** An altered model, and the consent to the first one. */
  const checkNamed = (change: Partial<ModelDescriptor>) =>
    checkModel(sign(MODEL, { ...model, ...change }, provider), consent);

  test('that the consent names is taken', () => {
    expect(check({}).widths).toEqual(model.widths);
  });

  const refused: [string, RegExp, () => unknown][] = [
    ['other commitments', /CONSENT_MISMATCH/, () => checkNamed({ commitments: model.parties })],
    ['another name', /CONSENT_MISMATCH/, () => checkNamed({ name: 'other' })],
    ['another signer', /SIGNATURE_INVALID/, () => check({}, mallory)],
    [
      'other parties',
      /CONSENT_MISMATCH|ENCODING_INVALID/,
      () => check({ parties: [filled(32, 0), ...model.parties.slice(1)] }),
    ],
    ...(
      [
        { widths: [186, 5, 3] },
        { widths: [187, 5, 2] },
        { widths: [187, 5, 4] },
        { widths: [187, 4097, 3] },
        { widths: [187] },
        { fractionBits: 0 },
        { fractionBits: 13 },
      ] satisfies Partial<ModelDescriptor>[]
    ).map((change): [string, RegExp, () => unknown] => [
      JSON.stringify(change),
      /CONSENT_MISMATCH|ENCODING_INVALID/,
      () => check(change),
    ]),
  ];
  test.each(refused)('with %s is refused', async (_, code, run) => {
    expect(await codeOf(run)).toMatch(code);
  });
});

describe('the samples', () => {
  const envelope = (change: Partial<Parameters<typeof writeHeader>[1]> = {}): Uint8Array => {
    const out = new Uint8Array(BEAT_ENVELOPE_BYTES);
    writeHeader(out, {
      suite: 1,
      kind: 1,
      epoch: EPOCH,
      time: NOW,
      stream: STREAM,
      sequence: 12,
      boot: filled(10, 0),
      ...change,
    });
    return out;
  };
  const others = [envelope({ sequence: 10 }), envelope({ sequence: 20 })];
  const check = (middle: Uint8Array[], sequences = job.sequences) =>
    checkSamples([others[0], ...middle, others[1]], { ...job, sequences }, consent);

  test('that the job lists and the consent covers are taken, in order', () => {
    const samples = check([envelope({ time: NOW + 9999 })]);
    expect(samples.map(({ sequence }) => sequence)).toEqual(job.sequences);
  });

  const malformed = envelope().subarray(0, -1);
  const longer = new Uint8Array(BEAT_ENVELOPE_BYTES + 1);
  longer.set(envelope());
  const reserved = envelope();
  reserved[3] = 1;
  const cases: [string, ErrorCode, Uint8Array[], number[]?][] = [
    ['one too few', 'CONSENT_MISMATCH', []],
    ['one too many', 'CONSENT_MISMATCH', [envelope(), envelope({ sequence: 13 })]],
    ['another one', 'CONSENT_MISMATCH', [envelope({ sequence: 13 })]],
    ['of another stream', 'CONSENT_MISMATCH', [envelope({ stream: STREAM + 1 })]],
    ['before the window', 'CONSENT_MISMATCH', [envelope({ time: NOW - 1 })]],
    ['at the end of the window', 'CONSENT_MISMATCH', [envelope({ time: NOW + 10_000 })]],
    ['of the epoch before', 'CONSENT_MISMATCH', [envelope({ epoch: EPOCH - 1 })]],
    ['of the epoch after', 'CONSENT_MISMATCH', [envelope({ epoch: EPOCH + 1 })]],
    ['that is not listed', 'CONSENT_MISMATCH', [envelope({ sequence: 21 })], [10, 21, 20]],
    ['cut short', 'ENVELOPE_MALFORMED', [malformed]],
    ['too long', 'ENVELOPE_MALFORMED', [longer]],
    ['with a reserved byte', 'ENVELOPE_MALFORMED', [reserved]],
    ['empty', 'ENVELOPE_MALFORMED', [new Uint8Array(0)]],
    ['of a kind that the consent does not name', 'CONSENT_MISMATCH', [envelope({ kind: 2 })]],
    ['of an unknown kind', 'ENVELOPE_VERSION', [envelope({ kind: 99 })]],
    ['of another suite', 'ENVELOPE_VERSION', [envelope({ suite: 9 })]],
  ];
  test.each(cases)('%s: %s', async (_, code, middle, sequences = job.sequences) => {
    expect(await codeOf(() => check(middle, sequences))).toBe(code);
  });
});
