import { describe, expect, test } from '@jest/globals';
import {
  encodeCanonical,
  KEY_BYTES,
  openKeyShare,
  seal,
  SEALED_SHARE_MAX_BYTES,
  sealKeyShares,
  CONSENT_MAX_EPOCHS,
  type KeyShare,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import { filled, flipped, parties } from './objects.ts';

const consentHash = filled(32, 42);
const recipients = parties.map(({ identity, sealKeys }) => ({
  id: identity.id,
  sealKey: sealKeys.publicKey,
}));
const keys = [1, 2, 3].map((epoch) => filled(KEY_BYTES, epoch));
const joined = Uint8Array.from(keys.flatMap((key) => [...key]));
const sealed = sealKeyShares(keys, consentHash, recipients);

const openAt = (i: number, data = sealed[i], epochs = keys.length): KeyShare =>
  openKeyShare(parties[i].sealKeys, consentHash, parties[i].identity.id, i, epochs, data);
const xor = (...all: Uint8Array[]): Uint8Array =>
  all[0].map((_, i) => all.reduce((sum, bytes) => sum ^ bytes[i], 0));

describe('key shares', () => {
  test.each([
    [0, 1],
    [1, 2],
    [2, 0],
  ])('parties %i and %i together hold the keys', (a, b) => {
    const left = openAt(a);
    const right = openAt(b);
    expect(right.first.expose()).toStrictEqual(left.second.expose());
    const all = [left.first, left.second, right.second].map((share) => share.expose());
    expect(xor(...all)).toStrictEqual(joined);
  });

  test('the keys that were shared are left as they were', () => {
    expect(keys).toStrictEqual([1, 2, 3].map((epoch) => filled(KEY_BYTES, epoch)));
  });

  test('what one party holds does not depend on the keys: its bits are balanced', () => {
    // 744 keys of zeros, then of ones: 16 * 744 * 8 bits a share, so five deviations are about 0.8 %.
    const bits = CONSENT_MAX_EPOCHS * KEY_BYTES * 8;
    for (const value of [0x00, 0xff]) {
      const same = Array.from({ length: CONSENT_MAX_EPOCHS }, () => filled(KEY_BYTES, value));
      const many = sealKeyShares(same, consentHash, recipients);
      many.forEach((data, i) => {
        expect(data.length).toBeLessThanOrEqual(SEALED_SHARE_MAX_BYTES);
        const { first, second } = openAt(i, data, CONSENT_MAX_EPOCHS);
        const held = [first.expose(), second.expose()];
        for (const share of [...held, xor(...held)]) {
          const ones = share.reduce((sum, byte) => sum + byte.toString(2).split('1').length - 1, 0);
          expect(Math.abs(ones - bits / 2)).toBeLessThan(5 * Math.sqrt(bits / 4));
          expect(new Set(share).size).toBe(256);
        }
      });
    }
  });

  test('every sharing is fresh', () => {
    const again = sealKeyShares(keys, consentHash, recipients);
    expect(openAt(0, again[0]).first.expose()).not.toStrictEqual(openAt(0).first.expose());
  });

  test('a share opens for its own party, key, consent, position and number of epochs only', () => {
    const [party] = parties;
    const { id } = party.identity;
    const refused = [
      () => openKeyShare(parties[1].sealKeys, consentHash, id, 0, 3, sealed[0]),
      () => openKeyShare(party.sealKeys, consentHash, parties[1].identity.id, 0, 3, sealed[0]),
      () => openKeyShare(party.sealKeys, flipped(consentHash, 0), id, 0, 3, sealed[0]),
      () => openKeyShare(party.sealKeys, consentHash, id, 1, 3, sealed[0]),
      () => openKeyShare(party.sealKeys, consentHash, id, 0, 2, sealed[0]),
      () => openKeyShare(party.sealKeys, consentHash, id, 0, 4, sealed[0]),
      () => openKeyShare(party.sealKeys, consentHash, id, 0, 3, sealed[1]),
      () => openKeyShare(party.sealKeys, consentHash, id, 0, 3, flipped(sealed[0], 1200)),
    ];
    for (const run of refused) expect(codeOf(run)).toBe('SHARE_UNREADABLE');
  });

  test('well-sealed shares of uneven length are refused', () => {
    const [party] = parties;
    const context = { label: 'mozaik/key-share/1', parts: [consentHash, party.identity.id] };
    for (const [first, second] of [
      [48, 32],
      [32, 48],
      [64, 64],
    ]) {
      const share = { v: 1, index: 0, first: filled(first, 1), second: filled(second, 1) };
      const data = seal(party.sealKeys.publicKey, context, encodeCanonical(share));
      expect(codeOf(() => openAt(0, data))).toBe('SHARE_UNREADABLE');
    }
  });
});
