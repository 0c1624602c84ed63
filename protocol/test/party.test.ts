import { describe, expect, test } from '@jest/globals';
import { LOGIN, PARTY, sign, verify, verifyParty, type PartyDescriptor } from '../src/index.ts';
import { codeOf } from './codes.ts';
import { descriptor, filled, parties, signedDescriptor, stranger, user } from './objects.ts';

const [party, other] = parties;

describe('party descriptor', () => {
  test('verifies when the party that it describes signed it', () => {
    const verified = verifyParty(signedDescriptor(party));
    expect(verified.value).toStrictEqual(descriptor(party));
    expect(verified.signer).toStrictEqual(party.identity.id);
  });

  test('is refused when it describes another party or another key', () => {
    const refused: Partial<PartyDescriptor>[] = [
      { party: other.identity.id },
      { signingKey: other.identity.publicKey },
      { party: other.identity.id, signingKey: other.identity.publicKey },
    ];
    for (const change of refused) {
      const signed = sign(PARTY, { ...descriptor(party), ...change }, party.identity);
      expect(codeOf(() => verifyParty(signed))).toBe('SIGNATURE_INVALID');
    }
    const foreign = sign(PARTY, descriptor(party), stranger);
    expect(codeOf(() => verifyParty(foreign))).toBe('SIGNATURE_INVALID');
  });

  test('fields have their limits', () => {
    const refused: Partial<PartyDescriptor>[] = [
      { port: 0 },
      { port: 65_536 },
      { name: '' },
      { name: 'two\nlines' },
      { host: 'h'.repeat(256) },
      { sealKey: filled(1215, 0) },
      { tlsFingerprint: filled(31, 0) },
      { issued: -1 },
    ];
    for (const change of refused) {
      const run = () => sign(PARTY, { ...descriptor(party), ...change }, party.identity);
      expect(codeOf(run)).toBe('ENCODING_INVALID');
    }
  });
});

describe('login', () => {
  const login = {
    v: 1 as const,
    id: user.id,
    role: 'user' as const,
    audience: 'backend',
    challenge: filled(32, 1),
  };

  test('verifies with its role, audience and challenge', () => {
    expect(verify(LOGIN, sign(LOGIN, login, user)).value).toStrictEqual(login);
  });

  test('knows three roles only', () => {
    const run = () => sign(LOGIN, { ...login, role: 'admin' as 'user' }, user);
    expect(codeOf(run)).toBe('ENCODING_INVALID');
  });
});
