import { describe, expect, test } from '@jest/globals';
import {
  checkInForce,
  CONSENT,
  covers,
  objectHash,
  REVOCATION,
  sign,
  verify,
  verifyConsent,
  type Consent,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import { consent, filled, parties, signedConsent, stranger, user } from './objects.ts';

const check = (change: Partial<Consent>) => codeOf(() => verifyConsent(signedConsent(change)));

describe('consent', () => {
  test('verifies, and its name is the hash of its canonical form', () => {
    const { value, signer, hash } = verifyConsent(signedConsent());
    expect(value).toStrictEqual(consent());
    expect(signer).toStrictEqual(user.id);
    expect(hash).toStrictEqual(objectHash(CONSENT, consent()));
  });

  test('is signed by its own user', () => {
    const signed = sign(CONSENT, consent(), stranger);
    expect(codeOf(() => verifyConsent(signed))).toBe('SIGNATURE_INVALID');
    expect(check({ user: stranger.id })).toBe('SIGNATURE_INVALID');
  });

  test('a party descriptor or revocation is no consent', () => {
    const revocation = sign(REVOCATION, { v: 1, consent: filled(32, 1), issued: 1 }, user);
    expect(codeOf(() => verifyConsent(revocation))).toBe('SIGNATURE_INVALID');
  });

  const [a, b, c] = consent().parties;
  test.each<[string, Partial<Consent>]>([
    ['parties in another order', { parties: [b, a, c] }],
    ['parties in descending order', { parties: [c, b, a] }],
    ['a party named twice', { parties: [a, a, b] }],
    ['an empty window', { from: 1000, to: 1000 }],
    ['a window that ends before it begins', { from: 2000, to: 1000 }],
    ['never in force', { notBefore: 6000, expires: 6000 }],
    ['expired before it begins', { notBefore: 6001, expires: 6000 }],
    ['epochs beyond 2^32', { firstEpoch: 2 ** 32 - 1, epochCount: 2 }],
    ['a range that ends before it begins', { sequences: [[5, 4]] }],
    ['ranges that overlap', { sequences: [[1, 5], [5, 9]] }], // prettier-ignore
    ['ranges in another order', { sequences: [[7, 9], [1, 3]] }], // prettier-ignore
  ])('is refused with %s', (_what, change) => {
    expect(check(change)).toBe('ENCODING_INVALID');
  });

  test('is accepted at the limits of the same rules', () => {
    const accepted: Partial<Consent>[] = [
      { from: 1000, to: 1001 },
      { notBefore: 5999, expires: 6000 },
      { firstEpoch: 2 ** 32 - 1, epochCount: 1 },
      { epochCount: 744 },
      { from: 0, to: 2 ** 48 - 1 },
      { sequences: [[0, 0], [1, 5], [6, 2 ** 32 - 1]] }, // prettier-ignore
    ];
    for (const change of accepted) expect(() => verifyConsent(signedConsent(change))).not.toThrow();
  });

  test('is refused beyond the limits of its fields', () => {
    const refused: object[] = [
      { epochCount: 0 },
      { epochCount: 745 },
      { to: 2 ** 48 },
      { stream: 65_536 },
      { kind: 2 },
      { protocol: 'replicated3-unknown' },
      { mode: 'forever' },
      { parties: [a, b] },
      { sequences: Array.from({ length: 1025 }, (_, i) => [i, i]) },
      { sequences: [[1]] },
      { nonce: filled(15, 0) },
      { extra: 1 },
    ];
    for (const change of refused) {
      const run = () => verifyConsent(sign(CONSENT, { ...consent(), ...change }, user));
      expect(codeOf(run)).toBe('ENCODING_INVALID');
    }
  });

  test('every field is part of its name', () => {
    const changes: Partial<Consent>[] = [
      { user: stranger.id },
      { device: filled(16, 0) },
      { stream: 8 },
      { parties: [{ ...a, descriptor: filled(32, 0) }, b, c] },
      { model: filled(32, 0) },
      { resultKey: filled(1216, 0) },
      { mode: 'streaming' },
      { from: 1001 },
      { to: 2001 },
      { firstEpoch: 11 },
      { epochCount: 3 },
      { sequences: [[1, 2]] },
      { notBefore: 5001 },
      { expires: 6001 },
      { nonce: filled(16, 0) },
    ];
    const names = [{}, ...changes].map((change) => objectHash(CONSENT, consent(change)).join());
    expect(new Set(names).size).toBe(changes.length + 1);
  });

  test('is in force from notBefore until just before expires', () => {
    const { notBefore, expires } = consent();
    for (const now of [notBefore, expires - 1]) {
      expect(() => checkInForce(consent(), now)).not.toThrow();
    }
    for (const now of [notBefore - 1, expires, 0, Number.MAX_SAFE_INTEGER]) {
      expect(codeOf(() => checkInForce(consent(), now))).toBe('CONSENT_EXPIRED');
    }
  });

  describe('covers', () => {
    const sample = { kind: 1, stream: 7, epoch: 10, time: 1000, sequence: 50 };

    test.each([
      ['the first instant', {}, true],
      ['the last instant', { time: 1999 }, true],
      ['the last epoch', { epoch: 11 }, true],
      ['an instant too early', { time: 999 }, false],
      ['an instant too late', { time: 2000 }, false],
      ['an epoch too early', { epoch: 9 }, false],
      ['an epoch too late', { epoch: 12 }, false],
      ['another stream', { stream: 8 }, false],
      ['another kind', { kind: 2 }, false],
    ])('%s', (_what, change, expected) => {
      expect(covers(consent(), { ...sample, ...change })).toBe(expected);
    });

    test('the listed ranges, both ends included', () => {
      const listed = consent({ sequences: [[10, 20], [50, 50]] }); // prettier-ignore
      const covered = [9, 10, 20, 21, 49, 50, 51].filter((sequence) =>
        covers(listed, { ...sample, sequence }),
      );
      expect(covered).toStrictEqual([10, 20, 50]);
    });
  });
});

describe('revocation', () => {
  const value = { v: 1 as const, consent: objectHash(CONSENT, consent()), issued: 5500 };

  test('names the consent and is signed by the user', () => {
    const verified = verify(REVOCATION, sign(REVOCATION, value, user));
    expect(verified.value).toStrictEqual(value);
    expect(verified.signer).toStrictEqual(user.id);
  });

  test('a consent is no revocation, and fields have their lengths', () => {
    expect(codeOf(() => verify(REVOCATION, signedConsent()))).toBe('SIGNATURE_INVALID');
    const short = { ...value, consent: filled(31, 0) };
    expect(codeOf(() => sign(REVOCATION, short, user))).toBe('ENCODING_INVALID');
  });
});

test('the parties of the tests are in ascending order', () => {
  const ids = parties.map(({ identity }) => Buffer.from(identity.id));
  expect(Buffer.compare(ids[0], ids[1]) + Buffer.compare(ids[1], ids[2])).toBe(-2);
});
