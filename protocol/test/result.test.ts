import { describe, expect, test } from '@jest/globals';
import {
  createSealKeys,
  openResult,
  RESULT,
  seal,
  sealResult,
  sign,
  type ResultShare,
} from '../src/index.ts';
import { codeOf } from './codes.ts';
import { filled, flipped, parties, resultKeys } from './objects.ts';

const [party, other] = parties;
const job = filled(32, 1);
const consent = filled(32, 2);
const share: ResultShare = {
  v: 1,
  job,
  consent,
  party: party.identity.id,
  index: 0,
  protocol: 'replicated3-semi-honest',
  authentic: Uint8Array.of(1, 0),
  classFirst: filled(4, 3),
  classSecond: filled(4, 4),
  marginFirst: filled(6, 5),
  marginSecond: filled(6, 6),
};
const expected = { consent, job, party: party.identity.id, index: 0 };
const sealed = sealResult(share, party.identity, resultKeys.publicKey);

describe('result', () => {
  test('opens for the user, as the party sealed it', () => {
    expect(openResult(resultKeys, expected, sealed)).toStrictEqual(share);
  });

  test('opens under the key and for the party, job and consent it was sealed for only', () => {
    const refused = [
      { ...expected, consent: flipped(consent, 0) },
      { ...expected, job: flipped(job, 0) },
      { ...expected, party: other.identity.id },
    ];
    for (const other of refused) {
      expect(codeOf(() => openResult(resultKeys, other, sealed))).toBe('SHARE_UNREADABLE');
    }
    const keys = createSealKeys(filled(32, 88));
    expect(codeOf(() => openResult(keys, expected, sealed))).toBe('SHARE_UNREADABLE');
    const altered = flipped(sealed, sealed.length - 1);
    expect(codeOf(() => openResult(resultKeys, expected, altered))).toBe('SHARE_UNREADABLE');
  });

  /** Seals `value`, signed by `by`, in the context that the user expects. */
  function forged(value: ResultShare, by = party.identity): Uint8Array {
    const context = { label: 'mozaik/sealed-result/1', parts: [consent, job, party.identity.id] };
    return seal(resultKeys.publicKey, context, sign(RESULT, value, by));
  }

  test('anyone can seal to the user, but not sign for a party', () => {
    expect(openResult(resultKeys, expected, forged(share))).toStrictEqual(share);
    const run = () => openResult(resultKeys, expected, forged(share, other.identity));
    expect(codeOf(run)).toBe('RESULT_INVALID');
  });

  test('a party cannot pass off the result of another job, consent, party or position', () => {
    const lies: Partial<ResultShare>[] = [
      { job: flipped(job, 0) },
      { consent: flipped(consent, 0) },
      { party: other.identity.id },
      { index: 1 },
    ];
    for (const lie of lies) {
      const run = () => openResult(resultKeys, expected, forged({ ...share, ...lie }));
      expect(codeOf(run)).toBe('RESULT_INVALID');
    }
  });

  test('what is signed as another type is refused', () => {
    const context = { label: 'mozaik/sealed-result/1', parts: [consent, job, party.identity.id] };
    const signed = sign({ ...RESULT, label: 'mozaik/result/2' }, share, party.identity);
    const data = seal(resultKeys.publicKey, context, signed);
    expect(codeOf(() => openResult(resultKeys, expected, data))).toBe('SIGNATURE_INVALID');
  });
});
